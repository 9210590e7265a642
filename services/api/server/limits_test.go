package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// limited gives a server's limits.
func limited(l server.Limits) func(*server.Options) {
	return func(o *server.Options) { o.Limits = l }
}

// wantRetry holds an answer against a refusal that names when to come again.
func (a answer) wantRetry(status int, code kv.Code, detail string) {
	a.t.Helper()
	a.wantProblem(status, code, "", detail)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		a.t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
}

const (
	callerLimited    = "the rate limit of this caller was reached"
	namespaceLimited = "the rate limit of this namespace was reached"
	shed             = "the server is working on as many requests as it takes; try again"
	shedCaller       = "the server is working on as many requests of this caller as it takes; send fewer at a time"
	fullBodies       = "the server is working on as many bytes of requests and answers as it takes; try again"
)

func TestEachTokenHasItsRate(t *testing.T) {
	t.Parallel()
	r := secured(t, limited(server.Limits{CallerRate: 5}))
	one, two := r.newToken(may("*", auth.Read, auth.Write)), r.newToken(may("*", auth.Read, auth.Write))
	const batch = `{"operations":[{"op":"get","key":"a"},{"op":"get","key":"b"},{"op":"get","key":"c"},{"op":"get","key":"d"},{"op":"get","key":"e"}]}`
	const txn = `{"success":[{"op":"get","key":"a"},{"op":"get","key":"b"},{"op":"get","key":"c"},{"op":"get","key":"d"},{"op":"get","key":"e"}]}`
	// Ten at once: five of a batch, five of a transaction.
	r.do(http.MethodPost, "/v1/batch/ns", as(one.Token), batch).want(http.StatusOK, "*")
	r.do(http.MethodPost, "/v1/txn/ns", as(one.Token), txn).want(http.StatusOK, "*")
	r.do(http.MethodPost, "/v1/batch/ns", as(one.Token), batch).wantRetry(429, kv.CodeRateLimited, callerLimited)
	eventually(t, func() bool {
		return r.do(http.MethodGet, "/v1/kv/ns/k", as(one.Token), "").status == http.StatusTooManyRequests
	})
	r.do(http.MethodGet, "/v1/kv/ns/k", as(two.Token), "").want(http.StatusNotFound, "*")
	// Administration and health are not held against the rate.
	for range 30 {
		r.do(http.MethodGet, "/v1/tokens", as(rootToken), "").want(http.StatusOK, "*")
		r.get("/health").want(http.StatusOK, "*")
	}
	// But they are for those who do not administer.
	eventually(t, func() bool {
		return r.do(http.MethodGet, "/v1/namespaces", as(two.Token), "").status == http.StatusTooManyRequests
	})
}

func TestEachNamespaceHasItsRate(t *testing.T) {
	t.Parallel()
	r := secured(t, limited(server.Limits{NamespaceRate: 5}))
	one, two := r.newToken(may("*", auth.Read)), r.newToken(may("*", auth.Read))
	// However the name is written, and whoever asks.
	targets := []string{"/v1/kv/busy/k", "/v1/kv/bus%79/k", "/v1/kv/%62%75%73%79/k", "/v1/history/busy/k", "/v1/kv/busy"}
	gets := strings.TrimSuffix(strings.Repeat(`{"op":"get","key":"k"},`, 1000), ",")
	r.do(http.MethodPost, "/v1/batch/busy", as(one.Token), `{"operations":[`+gets+`]}`).want(http.StatusOK, "*")
	for _, target := range targets {
		r.do(http.MethodGet, target, as(two.Token), "").wantRetry(429, kv.CodeRateLimited, namespaceLimited)
	}
	r.do(http.MethodGet, "/v1/kv/quiet/k", as(two.Token), "").want(http.StatusNotFound, "*")
}

// One large value costs its writer, and each of its readers, as much as many
// small ones.
func TestBytesCountAgainstTheRate(t *testing.T) {
	t.Parallel()
	r := secured(t, limited(server.Limits{CallerRate: 10}))
	writer, reader, small := r.newToken(may("*", auth.Write)), r.newToken(may("*", auth.Read)), r.newToken(may("*", auth.Write))
	value := strings.Repeat("v", 1<<20) // 1024 operations to write it, 256 to read it
	r.do(http.MethodPut, "/v1/kv/ns/k", as(writer.Token), value).want(http.StatusCreated, "")
	r.do(http.MethodPut, "/v1/kv/ns/k", as(writer.Token), "v").wantRetry(429, kv.CodeRateLimited, callerLimited)
	r.do(http.MethodGet, "/v1/kv/ns/k", as(reader.Token), "").want(http.StatusOK, value)
	r.do(http.MethodGet, "/v1/kv/ns/k", as(reader.Token), "").wantRetry(429, kv.CodeRateLimited, callerLimited)
	// What fits into an operation costs one.
	for range 10 {
		if got := r.do(http.MethodPut, "/v1/kv/ns/small", as(small.Token), value[:1024]); got.status >= 300 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
}

// What is over the bounds is refused at once, and administration is the last
// to go.
func TestRequestsAreShedBeforeTheyQueue(t *testing.T) {
	t.Parallel()
	var store *blockingStore
	r := secured(t, limited(server.Limits{MaxInFlight: 16}), func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
	})
	made := map[string]token{}
	for _, name := range strings.Split("abcdefghi", "") {
		made[name] = r.newToken(may("*", auth.Read, auth.Write))
	}
	var wg sync.WaitGroup
	hold := func(name string) {
		wg.Go(func() { r.do(http.MethodPut, "/v1/kv/ns/k", as(made[name].Token), "v").want(http.StatusOK, "*") })
		<-store.entered
	}
	r.do(http.MethodGet, "/v1/kv/ns/k", as(made["a"].Token), "").want(http.StatusNotFound, "*")
	if _, err := store.Store.Apply(t.Context(), "ns", kv.Operation{Kind: kv.KindPut, Key: "k"}, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	hold("a")
	hold("a")
	r.do(http.MethodGet, "/v1/kv/ns/k", as(made["a"].Token), "").wantRetry(503, kv.CodeOverloaded, shedCaller)
	r.do(http.MethodGet, "/v1/kv/ns/k", as(made["b"].Token), "").want(http.StatusOK, "")
	for _, name := range strings.Split("bcdefgh", "") {
		hold(name)
		hold(name)
	}
	for _, target := range []string{"/v1/kv/ns/k", "/v1/kv/ns", "/v1/namespaces", "/v1/history/ns/k"} {
		r.do(http.MethodGet, target, as(made["i"].Token), "").wantRetry(503, kv.CodeOverloaded, shed)
	}
	for _, target := range []string{"/health", "/ready", "/metrics", "/v1/namespaces", "/v1/namespaces/ns", "/v1/tokens", "/v1/tokens/" + made["a"].ID} {
		r.do(http.MethodGet, target, as(rootToken), "").want(http.StatusOK, "*")
	}
	if n := r.metric("trivet_http_requests_shed_total", "caller"); n != 1 {
		t.Errorf("%v refusals of one caller were counted", n)
	}
	if n := r.metric("trivet_http_requests_shed_total", "total"); n != 4 {
		t.Errorf("%v refusals of all were counted", n)
	}
	close(store.release)
	wg.Wait()
	r.do(http.MethodGet, "/v1/kv/ns/k", as(made["i"].Token), "").want(http.StatusOK, "*")
}

func TestStreamsAreBoundedForEachCaller(t *testing.T) {
	t.Parallel()
	r := secured(t, limited(server.Limits{MaxStreams: 4}))
	one, two := r.newToken(may("*", auth.Read)), r.newToken(may("*", auth.Read))
	for range 2 {
		r.watch("/v1/watch/ns", "Authorization", "Bearer "+one.Token)
	}
	r.do(http.MethodGet, "/v1/watch/ns", as(one.Token), "").wantRetry(503, kv.CodeOverloaded, shedCaller)
	r.do(http.MethodGet, "/v1/kv/ns/k", as(one.Token), "").want(http.StatusNotFound, "*")
	for range 2 {
		r.watch("/v1/watch/ns", "Authorization", "Bearer "+two.Token)
	}
	three := r.newToken(may("*", auth.Read))
	r.do(http.MethodGet, "/v1/watch/ns", as(three.Token), "").wantRetry(503, kv.CodeOverloaded, shed)
}

// Nobody fills the budget of bodies for others: not with bodies that do not
// come, not with answers that are not read.
func TestBodiesAreBoundedForEachCaller(t *testing.T) {
	t.Parallel()
	r := secured(t, func(o *server.Options) { o.MaxBodiesBytes, o.MaxValueBytes, o.MaxJSONBytes = 2000, 1000, 1000 })
	one, two := r.newToken(may("*", auth.Read, auth.Write)), r.newToken(may("*", auth.Read, auth.Write))
	conn := r.dial()
	fmt.Fprintf(conn, "PUT /v1/kv/ns/slow HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 900\r\n\r\n", r.host, one.Token)
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 900 })
	r.do(http.MethodPut, "/v1/kv/ns/k", as(one.Token), strings.Repeat("v", 200)).wantRetry(503, kv.CodeOverloaded, fullBodies)
	r.do(http.MethodPut, "/v1/kv/ns/k", as(two.Token), strings.Repeat("v", 900)).want(http.StatusCreated, "")
	_ = conn.Close()
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 0 })
}

func TestAnswersThatAreNotReadAreBounded(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	r := secured(t, func(o *server.Options) {
		o.MaxBodiesBytes, o.MaxJSONBytes = 6*size, 3*size
		o.RequestTimeout, o.WriteTimeout = time.Second, time.Second
	})
	made, other := r.newToken(may("*", auth.Read, auth.Write)), r.newToken(may("*", auth.Read))
	large := kv.Operation{Kind: kv.KindPut, Key: "large", Value: make([]byte, size)}
	if _, err := r.store.Apply(t.Context(), "ns", large, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	var silent []net.Conn
	for range 12 {
		conn := r.dial()
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /v1/kv/ns/large HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", r.host, made.Token)
		silent = append(silent, conn)
	}
	r.do(http.MethodGet, "/v1/kv/ns/large", as(other.Token), "").want(http.StatusOK, "*")
	if n := r.metric("trivet_http_body_bytes_in_flight"); n > 3*size {
		t.Errorf("one caller holds %v bytes", n)
	}
	// Each is cut off in the middle, or was refused.
	for _, conn := range silent {
		began := time.Now()
		eventuallyClosed(t, conn)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 0 })
}

// eventuallyClosed waits, without reading, until the server has given up a
// connection: then what is left in the buffers ends before the answer does.
func eventuallyClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	eventually(t, func() bool {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			return true
		}
		closed := false
		_ = raw.Control(func(fd uintptr) {
			info, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
			closed = err != nil || info != 0
		})
		if closed {
			return true
		}
		_, err = conn.Write([]byte("\r\n")) // fails once the server has reset the connection
		return err != nil
	})
}

// A connection that trickles is closed within its limit, and never keeps
// others out.
func TestConnectionsThatTrickleAreClosed(t *testing.T) {
	t.Parallel()
	r := secured(t, func(o *server.Options) {
		o.HeaderTimeout, o.BodyTimeout, o.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	})
	made := r.newToken(may("*", auth.Read, auth.Write))
	head := "Host: " + r.host + "\r\nAuthorization: Bearer "
	for name, start := range map[string]string{
		"nothing at all":            "",
		"headers":                   "GET /v1/kv/ns/k HTTP/1.1\r\n",
		"a body":                    "PUT /v1/kv/ns/k HTTP/1.1\r\n" + head + made.Token + "\r\nContent-Length: 1000\r\n\r\n",
		"chunks":                    "PUT /v1/kv/ns/k HTTP/1.1\r\n" + head + made.Token + "\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a body without a token":    "PUT /v1/kv/ns/k HTTP/1.1\r\nHost: " + r.host + "\r\nContent-Length: 1000\r\n\r\n",
		"a body of a refused write": "PUT /v1/kv/ns/k HTTP/1.1\r\n" + head + made.Token + "\r\nIf-Match: nonsense\r\nContent-Length: 1000\r\n\r\n",
		"a body that nobody wants":  "GET /health HTTP/1.1\r\nHost: " + r.host + "\r\nContent-Length: 1000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := r.dial()
			began := time.Now()
			if _, err := io.WriteString(conn, start); err != nil {
				t.Fatal(err)
			}
			go func() {
				for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
					if _, err := io.WriteString(conn, "1"); err != nil {
						return
					}
				}
			}()
			_, _ = io.Copy(io.Discard, conn) // to the end, however it comes
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it was let go on for %v", took)
			}
		})
	}
	r.do(http.MethodGet, "/v1/kv/ns/k", as(made.Token), "").want(http.StatusNotFound, "*")
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	r := secured(t)
	a := r.get("/health", "X-Large", strings.Repeat("x", 128<<10))
	a.want(http.StatusRequestEntityTooLarge, "*")
}

// A client opens many more connections than the server takes, and another's
// requests go on.
func TestTwentyThousandConnectionsKeepNobodyOut(t *testing.T) {
	if testing.Short() {
		t.Skip("it opens as many connections as the system allows")
	}
	connections, most := 20_000, 8192
	if raceEnabled { // several times as slow, and each waits for others
		connections, most = connections/10, most/10
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	raised := syscall.Rlimit{Cur: files.Max, Max: files.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
		files = raised
	}
	// Both ends are of this process, and it closes its own once the server has.
	if room := int(min(files.Cur, 1<<20)) - 1000; room < 2*most {
		connections, most = connections*room/(3*most), room/3
		t.Logf("the process may have %d files: %d connections against a bound of %d", files.Cur, connections, most)
	}
	room := make(chan struct{}, int(min(files.Cur, 1<<20))-most-500) // of connections of the client
	r := secured(t, limited(server.Limits{MaxConnections: most}))
	made := r.newToken(may("*", auth.Read, auth.Write))
	r.do(http.MethodPut, "/v1/kv/ns/k", as(made.Token), "v").want(http.StatusCreated, "")
	var done atomic.Bool
	var served int
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		for !done.Load() {
			r.do(http.MethodGet, "/v1/kv/ns/k", as(made.Token), "").want(http.StatusOK, "v")
			served++
		}
	}()
	var next, failed atomic.Int64
	var wg, readers sync.WaitGroup
	hangUp := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(connections); i = next.Add(1) {
				room <- struct{}{}
				conn, err := net.DialTimeout("tcp", r.host, patience)
				if err != nil {
					failed.Add(1)
					<-room
					continue
				}
				if i%2 == 0 { // one half begins a request
					_, _ = io.WriteString(conn, "GET /v1/kv/ns/k HTTP/1.1\r\nHost: x\r\n")
				}
				readers.Go(func() {
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						_, _ = io.Copy(io.Discard, conn)
					}()
					select {
					case <-ended:
					case <-hangUp:
					}
					_ = conn.Close()
					<-room
				})
			}
		})
	}
	wg.Wait()
	eventually(t, func() bool {
		return r.metric("trivet_http_connections") <= float64(most) && r.metric("trivet_http_connections_closed_total") >= float64(connections-most)
	})
	done.Store(true)
	<-quiet
	if failed.Load() > 0 || served == 0 {
		t.Errorf("%d connections failed; %d requests were served meanwhile", failed.Load(), served)
	}
	t.Logf("%d connections were opened against a bound of %d, and %d requests served meanwhile", connections, most, served)
	close(hangUp)
	readers.Wait()
	r.do(http.MethodGet, "/v1/kv/ns/k", as(made.Token), "").want(http.StatusOK, "v")
}

// Many large bodies at a time stay within the budget: each is written, or
// clearly refused.
func TestParallelLargeBodiesStayWithinTheirBudget(t *testing.T) {
	if raceEnabled && testing.Short() {
		t.Skip("it sends half a gigabyte")
	}
	const budget = 64 << 20
	bodies := 64
	if raceEnabled {
		bodies = 16
	}
	r := secured(t, func(o *server.Options) { o.MaxBodiesBytes, o.RequestTimeout = budget, time.Minute })
	made, other := r.newToken(may("*", auth.Read, auth.Write)), r.newToken(may("*", auth.Read, auth.Write))
	value := strings.Repeat("0123456789abcdef", kv.MaxValueBytes/16)
	var written, refused, cut atomic.Int64
	var most float64
	watching := make(chan struct{})
	var done atomic.Bool
	go func() {
		defer close(watching)
		for !done.Load() {
			most = max(most, r.metric("trivet_http_body_bytes_in_flight"))
			runtime.Gosched()
		}
	}()
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			conn := r.dial()
			go func() {
				fmt.Fprintf(conn, "PUT /v1/kv/ns/%d HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", i, r.host, made.Token, len(value))
				_, _ = io.WriteString(conn, value)
			}()
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				cut.Add(1) // the answer was lost with the connection, which the body was still coming on
				return
			}
			_ = response.Body.Close()
			switch {
			case response.StatusCode == http.StatusCreated:
				written.Add(1)
			case response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "1":
				refused.Add(1)
			default:
				t.Errorf("got %s", response.Status)
			}
		})
	}
	r.do(http.MethodPut, "/v1/kv/ns/other", as(other.Token), "v").want(http.StatusCreated, "")
	wg.Wait()
	done.Store(true)
	<-watching
	if most > budget/4+1 || // and the other's byte
		written.Load() == 0 {
		t.Errorf("%v bytes at a time; %d written, %d refused, %d cut off", most, written.Load(), refused.Load(), cut.Load())
	}
	var list struct{ Entries []struct{ Size int } }
	r.do(http.MethodGet, "/v1/kv/ns?limit=1000", as(made.Token), "").want(http.StatusOK, "*").json(&list)
	if got := int64(len(list.Entries)); got != written.Load()+1 {
		t.Errorf("there are %d keys of %d written", got-1, written.Load())
	}
	t.Logf("%d written, %d refused, %d cut off; %.0f MiB at a time", written.Load(), refused.Load(), cut.Load(), most/(1<<20))
}
