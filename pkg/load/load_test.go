package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func get(target string) load.Mix {
	return func(r *load.Request, _ *rand.Rand) { r.Target = append(r.Target, target...) }
}

func run(t *testing.T, o load.Options) load.Result {
	t.Helper()
	res, err := load.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestClosedLoopSendsExactlyTheCount(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = io.WriteString(w, "12345")
	})
	res := run(t, load.Options{URL: url, Connections: 7, Count: 1000, Mix: get("/")})
	if res.OK != 1000 || served.Load() != 1000 || res.Failures() != 0 {
		t.Errorf("sent 1000: %d answered, %d served, failed %v", res.OK, served.Load(), res.Failed)
	}
	if res.Latency.Count() != 1000 || res.Bytes != 5000 {
		t.Errorf("recorded %d latencies and %d bytes; want 1000 and 5000", res.Latency.Count(), res.Bytes)
	}
	if res.Rate() <= 0 || res.Latency.Max() > res.Elapsed+res.Elapsed/100 {
		t.Errorf("rate %v, longest %v of %v", res.Rate(), res.Latency.Max(), res.Elapsed)
	}
}

func TestClosedLoopEndsWithItsDuration(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	res := run(t, load.Options{URL: url, Connections: 2, Duration: 50 * time.Millisecond, Mix: get("/")})
	if res.OK == 0 || res.Elapsed < 50*time.Millisecond {
		t.Errorf("%d answers in %v", res.OK, res.Elapsed)
	}
}

func TestRequestsArriveAsTheMixMadeThem(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen[fmt.Sprintf("%s %s %s %q %d", r.Method, r.RequestURI, r.Header.Get("If-None-Match"), body, r.ContentLength)]++
		mu.Unlock()
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusCreated)
		}
	})
	var n atomic.Int64
	res := run(t, load.Options{URL: url, Connections: 3, Count: 30, Mix: func(r *load.Request, _ *rand.Rand) {
		switch n.Add(1) % 3 {
		case 0:
			r.Kind, r.Target = "get", append(r.Target, "/a%20b?c=d"...)
		case 1:
			r.Kind, r.Method, r.Want = "put", http.MethodPut, http.StatusCreated
			r.Target = append(r.Target, "/key"...)
			r.Header = append(r.Header, "If-None-Match: *\r\n"...)
			r.Body = append(r.Body, "value"...)
		case 2:
			r.Kind, r.Method = "head", http.MethodHead
			r.Target = append(r.Target, "/"...)
		}
	}})
	want := map[string]int{
		`GET /a%20b?c=d  "" 0`: 10,
		`PUT /key * "value" 5`: 10,
		`HEAD /  "" 0`:         10,
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("the server saw %v; want %v", seen, want)
	}
	for _, kind := range []string{"get", "put", "head"} {
		if k := res.Kinds[kind]; k.OK != 10 || k.Latency.Count() != 10 {
			t.Errorf("%s: %d answered, %d recorded; want 10", kind, k.OK, k.Latency.Count())
		}
	}
	if res.OK != 30 || len(res.Kinds) != 3 {
		t.Errorf("%d answered of %d kinds; want 30 of 3", res.OK, len(res.Kinds))
	}
}

func TestFailuresAreCountedByTheirStatus(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			w.WriteHeader(http.StatusPreconditionFailed)
		}
	})
	res := run(t, load.Options{URL: url, Connections: 4, Count: 400, Mix: get("/")})
	if res.OK != 200 || res.Failed["503"] != 100 || res.Failed["412"] != 100 || res.Failures() != 200 {
		t.Errorf("%d answered, failed %v", res.OK, res.Failed)
	}
	if res.Latency.Count() != 200 {
		t.Errorf("%d latencies; want those of the 200 expected answers", res.Latency.Count())
	}
}

// A generator that waited for answers before it sent more would record one
// slow request here and hundreds of fast ones.
func TestOpenLoopLatencyIncludesQueueing(t *testing.T) {
	t.Parallel()
	const stall, rate = 300 * time.Millisecond, 1000
	var once sync.Once
	var mu sync.RWMutex
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		once.Do(func() {
			mu.Lock()
			time.AfterFunc(stall, mu.Unlock)
		})
		mu.RLock()
		defer mu.RUnlock()
	})
	res := run(t, load.Options{URL: url, Connections: 2, Rate: rate, Duration: 2 * stall, Mix: get("/")})
	if res.OK != 600 || res.Failures() != 0 {
		t.Fatalf("%d answered, failed %v; want 600", res.OK, res.Failed)
	}
	// 300 of 600 requests fell due during the stall and waited 150 ms on average.
	if p := res.Latency.Percentile(70); p < stall/4 {
		t.Errorf("70 %% of requests took at most %v, though half of them waited for a stall of %v", p, stall)
	}
	if m := res.Latency.Max(); m < stall*9/10 {
		t.Errorf("the longest took %v; the first one waited for %v", m, stall)
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	res := run(t, load.Options{URL: url, Connections: 4, Rate: 500, Duration: 200 * time.Millisecond, Mix: get("/")})
	if res.OK != 100 {
		t.Errorf("%d answered; the schedule has 100", res.OK)
	}
	if res.Elapsed < 190*time.Millisecond {
		t.Errorf("the last request was sent after %v; it was due after 198 ms", res.Elapsed)
	}
}

func TestOpenLoopCountsWhatItCouldNotSend(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	res := run(t, load.Options{URL: url, Connections: 1, Rate: 1000, Duration: 100 * time.Millisecond, Timeout: 150 * time.Millisecond, Mix: get("/")})
	if res.OK != 0 || res.Failures() != 100 || res.Failed[load.Timeout] == 0 || res.Failed[load.Unsent] == 0 {
		t.Errorf("%d answered, failed %v; want 100 failures, some timeouts and the rest unsent", res.OK, res.Failed)
	}
	if res.Latency.Count() != 100 {
		t.Errorf("%d latencies; requests that were kept waiting count too", res.Latency.Count())
	}
	if res.Elapsed > 2*time.Second {
		t.Errorf("the run took %v", res.Elapsed)
	}
}

func TestTimeoutsAreCountedAndTheConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 3 {
			<-r.Context().Done()
		}
	})
	res := run(t, load.Options{URL: url, Connections: 1, Count: 10, Timeout: 50 * time.Millisecond, Mix: get("/")})
	if res.OK != 9 || res.Failed[load.Timeout] != 1 {
		t.Errorf("%d answered, failed %v; want 9 and one timeout", res.OK, res.Failed)
	}
}

func TestContextEndsTheRun(t *testing.T) {
	t.Parallel()
	for name, rate := range map[string]float64{"closed": 0, "open": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			})
			res, err := load.Run(ctx, load.Options{URL: url, Connections: 3, Rate: rate, Duration: time.Hour, Timeout: time.Hour, Mix: get("/")})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
			if res.OK != 0 || res.Failed[load.Canceled] == 0 || res.Failures() != res.Failed[load.Canceled] {
				t.Errorf("%d answered, failed %v", res.OK, res.Failed)
			}
		})
	}
}

func TestNoServerIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, err := load.Run(t.Context(), load.Options{URL: "http://" + l.Addr().String(), Connections: 2, Count: 1, Mix: get("/")}); err == nil {
		t.Error("there is no server, and no error")
	}
}

func TestServerThatGoesAwayIsCounted(t *testing.T) {
	t.Parallel()
	var s *httptest.Server
	var n atomic.Int64
	s = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 5 {
			_ = s.Listener.Close()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	res := run(t, load.Options{URL: s.URL, Connections: 1, Count: 8, Mix: get("/")})
	if res.OK != 4 || res.Failed[load.Broken] != 1 || res.Failed[load.Connect] != 3 {
		t.Errorf("%d answered, failed %v; want 4, 1 broken and 3 connect", res.OK, res.Failed)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := load.Options{URL: "http://127.0.0.1:1", Connections: 1, Count: 1, Mix: get("/")}
	for name, spoil := range map[string]func(*load.Options){
		"no host":                    func(o *load.Options) { o.URL = "127.0.0.1:80" },
		"another scheme":             func(o *load.Options) { o.URL = "ftp://127.0.0.1" },
		"no connection":              func(o *load.Options) { o.Connections = 0 },
		"no mix":                     func(o *load.Options) { o.Mix = nil },
		"no end":                     func(o *load.Options) { o.Count = 0 },
		"an open loop with no end":   func(o *load.Options) { o.Rate = 1 },
		"a rate that goes backwards": func(o *load.Options) { o.Rate = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := load.Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "load: ") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}
