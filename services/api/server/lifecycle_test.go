package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

func TestAServerNeedsAStore(t *testing.T) {
	t.Parallel()
	if _, err := server.New(server.Options{}); err == nil {
		t.Error("a server without a store was made")
	}
	if _, err := server.New(server.Options{Store: newStore(t), MaxValueBytes: kv.MaxValueBytes + 1}); err == nil {
		t.Error("a limit above the store's was taken")
	}
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	r := start(t)
	for listen, want := range map[string]string{
		r.host:              "TRIVET_LISTEN: " + r.host + " is taken by another process; name another address, or port 0 for a free one",
		"203.0.113.1:1":     "TRIVET_LISTEN: listen on 203.0.113.1:1: ",
		"no such host:8080": "TRIVET_LISTEN: listen on no such host:8080: ",
	} {
		second, err := server.New(server.Options{Listen: listen, Store: r.store})
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Start(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v", listen, err)
		}
		if second.Addr() != nil {
			t.Error("it has an address all the same")
		}
		if err := second.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStartAndStopTolerateAnyOrder(t *testing.T) {
	t.Parallel()
	early, err := server.New(server.Options{Listen: "127.0.0.1:0", Store: newStore(t)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := early.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := early.Start(t.Context()); err != nil || early.Addr() != nil {
		t.Errorf("a server that was stopped before listens on %v, %v", early.Addr(), err)
	}
	r := start(t)
	address := r.server.Addr()
	if err := r.server.Start(t.Context()); err != nil || r.server.Addr() != address {
		t.Errorf("a second start listens on %v, %v", r.server.Addr(), err)
	}
	for range 2 {
		if err := r.server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// blockingStore holds writes until they are released.
type blockingStore struct {
	kv.Store
	entered chan struct{}
	release chan struct{}
}

func newBlockingStore(store kv.Store) *blockingStore {
	return &blockingStore{Store: store, entered: make(chan struct{}, 100), release: make(chan struct{})}
}

func (s *blockingStore) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	s.entered <- struct{}{}
	select {
	case <-s.release:
		return s.Store.Apply(ctx, ns, op, id)
	case <-ctx.Done():
		return kv.Result{}, ctx.Err()
	}
}

func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	var store *blockingStore
	readiness := new(health.Readiness)
	r := start(t, func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
		o.Readiness = readiness
	})
	r.get("/ready").want(http.StatusOK, "{\"status\":\"ready\"}\n")
	events := r.watch("/v1/watch/ns")
	put := make(chan answer, 1)
	go func() { put <- r.put("/v1/kv/ns/k", "v") }()
	<-store.entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.server.Stop(t.Context()) }()
	if got := <-events; got.kind != "error" || !strings.Contains(got.data, `"code":"unavailable"`) || !strings.Contains(got.data, "the server is stopping") {
		t.Errorf("the stream's last event is %+v", got)
	}
	if got, open := <-events; open {
		t.Errorf("the stream goes on with %+v", got)
	}
	if readiness.State() != health.Draining {
		t.Errorf("it is %s", readiness.State())
	}
	select {
	case err := <-stopped:
		t.Fatalf("it stopped with a request under way: %v", err)
	default:
	}
	close(store.release)
	(<-put).want(http.StatusCreated, "")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := r.client.Get("http://" + r.host + "/ready"); err == nil {
		t.Error("it answers after Stop")
	}
}

func TestStopCutsOffWhatDoesNotEndInTime(t *testing.T) {
	t.Parallel()
	var store *blockingStore
	r := start(t, func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
	})
	done := make(chan error, 1)
	go func() {
		response, err := r.client.Do(r.request(http.MethodPut, "/v1/kv/ns/k", nil, strings.NewReader("v")))
		if err == nil {
			_ = response.Body.Close()
		}
		done <- err
	}()
	<-store.entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.server.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := <-done; err == nil {
		t.Error("the request was answered")
	}
}

func TestADrainingServerStillAnswersAndClosesConnections(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.DrainDelay = time.Hour })
	r.get("/ready").want(http.StatusOK, "*")
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- r.server.Stop(ctx) }()
	eventually(t, func() bool { return r.get("/ready").status == http.StatusServiceUnavailable })
	conn := r.dial()
	fmt.Fprintf(conn, "PUT /v1/kv/ns/k HTTP/1.1\r\nHost: %s\r\nContent-Length: 1\r\n\r\nv", r.host)
	if answer := r.raw("GET /v1/kv/ns/k HTTP/1.1\r\nHost: " + r.host + "\r\n\r\n"); !strings.Contains(answer, "\r\nConnection: close\r\n") {
		t.Errorf("got %s", answer)
	}
	cancel()
	if err := <-stopped; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStopUnderLoadDropsNothing has clients that open connections as they need
// them. Every request that the server has taken is answered as a whole, and
// what was acknowledged is there. A connection that nobody had accepted when
// the listener closed is reset by the kernel: nothing of it was taken.
func TestStopUnderLoadDropsNothing(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.DrainDelay = 50 * time.Millisecond })
	var stopping atomic.Bool
	var acknowledged [16]int
	var group sync.WaitGroup
	for i := range acknowledged {
		group.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for n := 1; ; n++ {
				response, err := client.Do(r.request(http.MethodPut, fmt.Sprintf("/v1/kv/ns/%d", i), nil, strings.NewReader(fmt.Sprint(n))))
				if err != nil {
					if !stopping.Load() {
						t.Errorf("a request failed before the stop: %v", err)
					}
					return
				}
				_ = response.Body.Close()
				if response.StatusCode >= 300 {
					t.Errorf("got %d", response.StatusCode)
				}
				acknowledged[i] = n
			}
		})
	}
	eventually(t, func() bool { return r.metric("trivet_http_requests_total", "PUT") > 200 })
	stopping.Store(true)
	if err := r.server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	group.Wait()
	answers := 0
	for i, n := range acknowledged {
		answers += n
		entry, err := r.store.Get(t.Context(), "ns", fmt.Sprint(i), kv.ReadOptions{Consistency: kv.Strong})
		if err != nil || string(entry.Value) != fmt.Sprint(n) {
			t.Errorf("writer %d: %d was acknowledged, the store has %s, %v", i, n, entry.Value, err)
		}
	}
	if taken := r.metric("trivet_http_requests_total", "PUT"); int(taken) != answers {
		t.Errorf("%v requests were taken, %d were answered", taken, answers)
	}
}

func TestARequestThatTakesTooLongIsEnded(t *testing.T) {
	t.Parallel()
	var store *blockingStore
	r := start(t, func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
		o.RequestTimeout = 20 * time.Millisecond
	})
	r.put("/v1/kv/ns/k", "v").wantProblem(504, kv.CodeTimeout, "", "the request took longer than its time limit")
	// A stream has no time limit.
	events := r.watch("/v1/watch/ns")
	<-time.NewTimer(60 * time.Millisecond).C
	if _, err := store.Store.Apply(t.Context(), "ns", kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v")}, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	if got := <-events; got.kind != "put" {
		t.Errorf("got %+v", got)
	}
}
