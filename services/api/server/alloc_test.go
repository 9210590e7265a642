package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/auth"
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

// readCached gives a function that answers one GET from the cache: of a server
// that lets everybody in, or of one with tokens, rates and metrics.
func readCached(tb testing.TB, store kv.Store, guarded bool) func() {
	tb.Helper()
	opts, authorization := server.Options{Store: store}, ""
	if guarded {
		authorization = guard(tb, &opts)
	}
	s, err := server.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	op := kv.Operation{Kind: kv.KindPut, Key: "users/42", Value: make([]byte, 100)}
	if _, err := store.Apply(tb.Context(), "ns", op, kv.Identity{}); err != nil {
		tb.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/v1/kv/ns/users/42", nil)
	request.Host = "127.0.0.1:8080"
	if guarded {
		request.Header.Set("Authorization", authorization)
	}
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

func TestBudgetOfAGetThatTheCacheAnswers(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so that there are more")
	}
	for _, guarded := range []bool{false, true} {
		read := readCached(t, newStore(t), guarded)
		read()
		if got := testing.AllocsPerRun(1000, read); got > getAllocations {
			t.Errorf("guarded %t: it makes %v allocations, the budget is %d", guarded, got, getAllocations)
		}
	}
}

// directAllocations is the budget of the same GET over a connection, the
// server's side and the client's together: the text of the request, the call,
// its id, and the text of the answer's headers.
const directAllocations = 4

func TestBudgetOfAGetOverAConnection(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so that there are more")
	}
	for _, guarded := range []bool{false, true} {
		opts, authorization := server.Options{Listen: "127.0.0.1:0", Store: newStore(t)}, ""
		if guarded {
			authorization = "Authorization: " + guard(t, &opts) + "\r\n"
		}
		get := getOverConnection(t, opts, authorization)
		if got := testing.AllocsPerRun(1000, get); got > directAllocations {
			t.Errorf("guarded %t: it makes %v allocations, the budget is %d", guarded, got, directAllocations)
		}
	}
}

// guard turns on all that stands before a store in service, and gives the
// Authorization of one token among a thousand.
func guard(tb testing.TB, opts *server.Options) string {
	tb.Helper()
	registry := auth.NewRegistry(opts.Store, auth.RegistryOptions{})
	if err := registry.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = registry.Stop(context.Background()) })
	text := ""
	for range 1000 {
		var err error
		scopes := []auth.Scope{{Namespace: "other", Access: []auth.Access{auth.Write}}, {Namespace: "n*", Prefix: "users/", Access: []auth.Access{auth.Read}}}
		if _, text, err = registry.Create(tb.Context(), "", scopes, time.Hour); err != nil {
			tb.Fatal(err)
		}
	}
	opts.Tokens = registry
	opts.Authenticate = bearer(auth.New(auth.Options{Registry: registry, RootToken: rootToken}))
	opts.Registerer = prometheus.NewRegistry()
	opts.Limits = server.Limits{CallerRate: 1 << 30, NamespaceRate: 1 << 30}
	return "Bearer " + text
}

func BenchmarkGet(b *testing.B) {
	for _, guarded := range []bool{false, true} {
		b.Run(fmt.Sprintf("guarded=%t", guarded), func(b *testing.B) {
			read := readCached(b, newStore(b), guarded)
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
}

// BenchmarkGuardedGet compares a GET over a connection of a server with tokens,
// rates and metrics with one of a server that has none of them. The two take
// turns, so that what else the machine does meets both. What no option turns
// off, the bounds of requests in flight and the counters themselves, is in both.
func BenchmarkGuardedGet(b *testing.B) {
	var took [2]time.Duration
	var gets [2]func()
	for i := range gets {
		opts, authorization := server.Options{Listen: "127.0.0.1:0", Store: newStore(b)}, ""
		if i == 1 {
			authorization = "Authorization: " + guard(b, &opts) + "\r\n"
		}
		gets[i] = getOverConnection(b, opts, authorization)
	}
	const turn = 200
	for b.Loop() {
		for i, get := range gets {
			began := time.Now()
			for range turn {
				get()
			}
			took[i] += time.Since(began)
		}
	}
	each := func(i int) float64 { return float64(took[i].Nanoseconds()) / float64(turn*b.N) }
	b.ReportMetric(each(0), "open-ns/get")
	b.ReportMetric(each(1), "guarded-ns/get")
	b.ReportMetric(each(1)/each(0), "ratio")
}

// getOverConnection gives a function that makes one GET over a connection that
// stays.
func getOverConnection(b testing.TB, opts server.Options, authorization string) func() {
	b.Helper()
	s, err := server.New(opts)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Stop(context.Background()) })
	op := kv.Operation{Kind: kv.KindPut, Key: "users/42", Value: make([]byte, 100)}
	if _, err := opts.Store.Apply(b.Context(), "ns", op, kv.Identity{}); err != nil {
		b.Fatal(err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(b.Context(), "tcp", s.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	request := []byte("GET /v1/kv/ns/users/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n" + authorization + "\r\n")
	answer := make([]byte, 4<<10)
	return func() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		n, err := conn.Read(answer) // small enough to come as one
		if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200 ")) {
			b.Fatalf("%v: %s", err, answer[:n])
		}
	}
}
