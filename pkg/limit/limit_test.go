package limit_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/limit"
)

func TestRateAllowsABurstAndThenItsRate(t *testing.T) {
	t.Parallel()
	r, now := limit.NewRate(10), time.Now()
	for i := range 20 {
		if _, ok := r.Allow("a", now); !ok {
			t.Fatalf("event %d of the burst was refused", i)
		}
	}
	after, ok := r.Allow("a", now)
	if ok || after < 90*time.Millisecond || after > 110*time.Millisecond {
		t.Fatalf("got %v, %t; want a refusal for about 100 ms", after, ok)
	}
	if _, ok := r.Allow("b", now); !ok {
		t.Fatal("another key is limited by the first one's events")
	}
	if _, ok := r.Allow("a", now.Add(after)); !ok {
		t.Fatal("refused after the time that was named")
	}
}

func TestWhatIsOwedIsMadeUpFor(t *testing.T) {
	t.Parallel()
	r, now := limit.NewRate(10), time.Now()
	if _, ok := r.Allow("a", now); !ok {
		t.Fatal("refused with a full bucket")
	}
	// 50 of 20: 30 are owed, so that one is there after 3.1 seconds.
	r.Owe("a", 49, now)
	after, ok := r.Allow("a", now)
	if ok || after < 3050*time.Millisecond || after > 3150*time.Millisecond {
		t.Fatalf("got %v, %t; want a refusal for about 3.1 s", after, ok)
	}
	if _, ok := r.Allow("a", now.Add(after)); !ok {
		t.Fatal("refused after the time that was named")
	}
	if _, ok := r.Allow("b", now); !ok {
		t.Fatal("another key pays for it")
	}
}

func TestGateCountsWhatIsTaken(t *testing.T) {
	t.Parallel()
	g := limit.NewGate(100, 60)
	for i, step := range []struct {
		caller string
		n      int64
		want   limit.Refusal
	}{{"a", 60, ""}, {"a", 1, limit.RefusedCaller}, {"b", 41, limit.RefusedTotal}, {"b", 40, ""}, {"c", 1, limit.RefusedTotal}} {
		if refusal, ok := g.Enter(step.caller, step.n); refusal != step.want || ok != (step.want == "") {
			t.Fatalf("step %d: got %q, %t", i, refusal, ok)
		}
	}
	g.Leave("a", 60)
	if got := g.InUse(); got != 40 {
		t.Fatalf("%d are in use", got)
	}
}

func TestARateOfZeroAllowsEverything(t *testing.T) {
	t.Parallel()
	if _, ok := limit.NewRate(0).Allow("a", time.Now()); !ok {
		t.Fatal("refused")
	}
}

func TestGateBoundsEachCallerAndAll(t *testing.T) {
	t.Parallel()
	g := limit.NewGate(3, 2)
	for i, step := range []struct {
		caller string
		want   limit.Refusal
	}{{"a", ""}, {"a", ""}, {"a", limit.RefusedCaller}, {"b", ""}, {"c", limit.RefusedTotal}, {"a", limit.RefusedCaller}} {
		if refusal, ok := g.Enter(step.caller, 1); refusal != step.want || ok != (step.want == "") {
			t.Fatalf("step %d: got %q, %t", i, refusal, ok)
		}
	}
	g.Leave("a", 1)
	if _, ok := g.Enter("c", 1); !ok {
		t.Fatal("refused with room")
	}
	for _, caller := range []string{"a", "b", "c"} {
		g.Leave(caller, 1)
	}
	if got := g.InUse(); got != 0 {
		t.Fatalf("%d in flight after all have left", got)
	}
}

func TestGateCountsConcurrentCallersRight(t *testing.T) {
	t.Parallel()
	g := limit.NewGate(8, 8)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			caller := fmt.Sprint(i % 4)
			for range 1000 {
				if _, ok := g.Enter(caller, 1); !ok {
					continue
				}
				if n := g.InUse(); n > 8+32 { // those that are being refused count for a moment
					t.Errorf("%d in flight", n)
				}
				g.Leave(caller, 1)
			}
		})
	}
	wg.Wait()
	if got := g.InUse(); got != 0 {
		t.Fatalf("%d in flight after all have left", got)
	}
}

func TestConnectionsThatIdleMakeRoom(t *testing.T) {
	t.Parallel()
	conns := limit.NewConns(10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	server.Config.ConnState = conns.Track
	server.Start()
	defer server.Close()

	var idle []net.Conn
	for range 50 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatalf("idle connections keep others out: %v", err)
	}
	response.Body.Close()
	if got := conns.Open(); got > 10 {
		t.Errorf("%d connections are open, the bound is 10", got)
	}
	if conns.Evicted() < 40 {
		t.Errorf("%d were evicted, want at least 40", conns.Evicted())
	}
	if err := idle[0].SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := idle[0].Read(make([]byte, 1)); err == nil {
		t.Error("the oldest idle connection is still open")
	}
}

// TestConnectionsThatWereUsedOutliveThoseThatWereNot has one that brought a
// request long ago, and many that never did.
func TestConnectionsThatWereUsedOutliveThoseThatWereNot(t *testing.T) {
	t.Parallel()
	conns := limit.NewConns(3)
	open := func() net.Conn {
		one, other := net.Pipe()
		t.Cleanup(func() { _ = one.Close(); _ = other.Close() })
		conns.Track(one, http.StateNew)
		return one
	}
	used := open()
	conns.Track(used, http.StateActive)
	conns.Track(used, http.StateIdle)
	for range 10 {
		open()
	}
	if err := used.SetDeadline(time.Now()); err != nil {
		t.Errorf("the connection that was used was closed: %v", err)
	}
	if conns.Open() != 3 || conns.Evicted() != 8 {
		t.Errorf("%d are open, %d were evicted", conns.Open(), conns.Evicted())
	}
}

func TestConnectionsAreRefusedWhenNoneIsIdle(t *testing.T) {
	t.Parallel()
	conns := limit.NewConns(1)
	entered, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	}))
	server.Config.ConnState = conns.Track
	server.Start()
	defer server.Close()
	done := make(chan error, 1)
	go func() {
		response, err := http.Get(server.URL)
		if err == nil {
			err = response.Body.Close()
		}
		done <- err
	}()
	<-entered
	if _, err := (&http.Client{Transport: &http.Transport{}}).Get(server.URL); err == nil {
		t.Error("a connection over the bound was served")
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the request under way was cut off: %v", err)
	}
	if conns.Refused() == 0 {
		t.Error("no refusal was counted")
	}
}

func BenchmarkGate(b *testing.B) {
	g := limit.NewGate(1024, 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := g.Enter("token", 1); ok {
			g.Leave("token", 1)
		}
	}
}

func BenchmarkRate(b *testing.B) {
	r := limit.NewRate(1 << 30)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r.Allow("token", now)
	}
}
