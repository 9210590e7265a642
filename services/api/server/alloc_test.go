package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// reusedWriter is a ResponseWriter that costs nothing between requests, so
// that what is counted is the server's own.
type reusedWriter struct {
	header http.Header
	status int
	bytes  int
}

func (w *reusedWriter) Header() http.Header         { return w.header }
func (w *reusedWriter) WriteHeader(status int)      { w.status = status }
func (w *reusedWriter) Write(p []byte) (int, error) { w.bytes += len(p); return len(p), nil }

// readCached gives a function that answers one GET from the cache.
func readCached(tb testing.TB, store kv.Store) func() {
	tb.Helper()
	s, err := server.New(server.Options{Store: store, Registerer: prometheus.NewRegistry()})
	if err != nil {
		tb.Fatal(err)
	}
	op := kv.Operation{Kind: kv.KindPut, Key: "users/42", Value: make([]byte, 100)}
	if _, err := store.Apply(tb.Context(), "ns", op, kv.Identity{}); err != nil {
		tb.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/v1/kv/ns/users/42", nil)
	request.Host = "127.0.0.1:8080"
	w := &reusedWriter{header: http.Header{}}
	return func() {
		clear(w.header)
		s.ServeHTTP(w, request)
		if w.status != http.StatusOK {
			tb.Fatalf("got %d", w.status)
		}
	}
}

// getAllocations is the budget of a GET that the cache answers, beneath
// net/http: the call with its context, the request's id and its header, and
// the text and the array of the other headers.
const getAllocations = 5

func TestAGetThatTheCacheAnswersStaysWithinItsAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so that there are more")
	}
	read := readCached(t, newStore(t))
	read()
	if got := testing.AllocsPerRun(1000, read); got > getAllocations {
		t.Errorf("it makes %v allocations, the budget is %d", got, getAllocations)
	}
}

func BenchmarkGet(b *testing.B) {
	read := readCached(b, newStore(b))
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}
