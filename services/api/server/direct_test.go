package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// direct gives how many requests were answered straight on their connection.
func (r *rig) direct() int { return int(r.metric("trivet_http_direct_requests_total")) }

// detour is what keeps a request from being answered directly: a header twice.
const detour = "X-Detour: 1\r\nX-Detour: 2\r\n"

// plainRequest makes a request from its method and path, headers and body.
func plainRequest(method, path, fields, body string) string {
	if method == http.MethodPut {
		fields += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + fields + "\r\n" + body
}

// changing is what differs between two answers to one request.
var changing = regexp.MustCompile(`(?m)^(Date|X-Request-Id|Trivet-Position|Etag|Last-Modified|Trivet-Expires-At): .*\r\n|"request_id":"[^"]*"`)

// exchange sends bytes over a connection and reads so many answers, as text.
// Nothing may come behind them.
func exchange(t *testing.T, conn net.Conn, send string, methods ...string) (answers []string) {
	t.Helper()
	if _, err := io.WriteString(conn, send); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, method := range methods {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%s\r\n", response.Status)
		_ = response.Header.Write(&text)
		answers = append(answers, text.String()+"\r\n"+string(body))
	}
	if more, _ := reader.Peek(reader.Buffered()); len(more) > 0 {
		t.Fatalf("behind the answers comes %q", more)
	}
	return answers
}

// TestDirectAnswersAreThoseOfNetHTTP sends each request twice to servers in the
// same state: once as it is, and once with a header that makes it go through
// net/http.
func TestDirectAnswersAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	direct, detoured := start(t), start(t)
	for _, r := range []*rig{direct, detoured} {
		r.put("/v1/kv/ns/k", "value", "Content-Type", "text/plain", "Trivet-Meta-Team", "blue", "Trivet-TTL", "1h").want(http.StatusCreated, "")
		r.put("/v1/kv/ns/large", strings.Repeat("v", 100_000)).want(http.StatusCreated, "")
		r.put("/v1/kv/ns/empty", "").want(http.StatusCreated, "")
	}
	tags := func(r *rig) string { return r.get("/v1/kv/ns/k").header.Get("ETag") }
	one, other := direct.dial(), detoured.dial()
	before := direct.direct()
	requests := 0
	for _, c := range []struct{ method, path, fields, body string }{
		{"GET", "/v1/kv/ns/k", "", ""},
		{"GET", "/v1/kv/ns/k", "Cache-Control: no-cache\r\n", ""},
		{"GET", "/v1/kv/ns/k", "Cache-Control: max-age=x\r\n", ""},
		{"GET", "/v1/kv/ns/k", "If-None-Match: ETAG\r\n", ""},
		{"GET", "/v1/kv/ns/k", "If-Match: \"1\"\r\n", ""},
		{"GET", "/v1/kv/ns/k", "Range: bytes=1-2\r\n", ""},
		{"GET", "/v1/kv/ns/k", "Range: bytes=9-\r\n", ""},
		{"GET", "/v1/kv/ns/k", "Origin: http://elsewhere.example\r\n", ""},
		{"GET", "/v1/kv/ns/k", "Trivet-Min-Version: 99999999999999999\r\n", ""},
		{"GET", "/v1/kv/ns/k", "Connection: keep-alive\r\nX-Request-Id: mine\r\n", ""},
		{"GET", "/v1/kv/ns/large", "", ""},
		{"GET", "/v1/kv/ns/empty", "", ""},
		{"GET", "/v1/kv/ns/absent", "", ""},
		{"GET", "/v1/kv/ns//k", "", ""},
		{"GET", "/v1/kv/ns/../k", "", ""},
		{"GET", "/v1/kv/NS/k", "", ""},
		{"GET", "/v1/kv/ns/" + strings.Repeat("k", 1025), "", ""},
		{"PUT", "/v1/kv/ns/new", "", "v"},
		{"PUT", "/v1/kv/ns/new", "Content-Type: a/b\r\nTrivet-TTL: 90s\r\nTrivet-Meta-A: b\r\n", "w"},
		{"GET", "/v1/kv/ns/new", "", ""},
		{"PUT", "/v1/kv/ns/new", "If-None-Match: *\r\n", "x"},
		{"PUT", "/v1/kv/ns/new", "Trivet-TTL: 0s\r\n", "x"},
		{"PUT", "/v1/kv/ns/new", "Content-Encoding: gzip\r\n", "x"},
		{"PUT", "/v1/kv/ns/new", "", ""},
		{"PUT", "/v1/kv/ns/whole", "", strings.Repeat("v", 2000)},
		{"DELETE", "/v1/kv/ns/new", "", ""},
		{"DELETE", "/v1/kv/ns/new", "", ""},
	} {
		requests++
		send := func(r *rig, conn net.Conn, more string) string {
			fields := strings.ReplaceAll(c.fields, "ETAG", tags(r))
			return changing.ReplaceAllString(exchange(t, conn, plainRequest(c.method, c.path, fields+more, c.body), c.method)[0], "")
		}
		got, want := send(direct, one, ""), send(detoured, other, detour)
		if got != want {
			t.Errorf("%s %s %q is answered with\n%s\nand through net/http with\n%s", c.method, clip([]byte(c.path)), c.fields, clip([]byte(got)), clip([]byte(want)))
		}
		before++
	}
	if n := direct.direct(); n < before {
		t.Errorf("%d requests were answered directly, want %d or more", n, before)
	}
	if through := detoured.metric("trivet_http_requests_total"); through < float64(requests) {
		t.Errorf("%v requests were counted of %d", through, requests)
	}
}

func TestRequestsThatComeTogetherAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	conn := r.dial()
	get := plainRequest("GET", "/v1/kv/ns/k", "", "")
	answers := exchange(t, conn,
		plainRequest("PUT", "/v1/kv/ns/k", "", "one")+get+plainRequest("PUT", "/v1/kv/ns/k", "", "two")+get+
			"HEAD /v1/kv/ns/k HTTP/1.1\r\nHost: localhost\r\n\r\n"+get,
		"PUT", "GET", "PUT", "GET", "HEAD", "GET")
	for i, want := range []string{"201 Created", "one", "200 OK", "two", "Content-Length: 3", "two"} {
		if !strings.Contains(answers[i], want) {
			t.Errorf("answer %d is %s, want %s", i, answers[i], want)
		}
	}
	if n := r.direct(); n != 4 {
		t.Errorf("%d requests were answered directly, want those before HEAD", n)
	}
}

// comesBack sends plain requests until one is answered directly, and tells
// whether one was. After an answer of net/http the first may come so soon that
// net/http, which watches the connection to the end of its answer, meets the
// beginning of it: that one is its own to answer.
func (r *rig) comesBack(conn net.Conn) bool {
	r.t.Helper()
	before := r.direct()
	for range 100 {
		exchange(r.t, conn, plainRequest("GET", "/v1/kv/ns/k", "", ""), "GET")
		if r.direct() == before+1 {
			return true
		}
	}
	return false
}

// TestAConnectionComesBackFromNetHTTP has requests that are not plain between
// plain ones, each at a time.
func TestAConnectionComesBackFromNetHTTP(t *testing.T) {
	t.Parallel()
	r := start(t)
	conn := r.dial()
	large := plainRequest("PUT", "/v1/kv/ns/k", "", strings.Repeat("v", 50_000))
	back := func() {
		if !r.comesBack(conn) {
			t.Fatal("the connection did not come back")
		}
	}
	back()
	for _, send := range []string{
		"POST /v1/batch/ns HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n" + `{"operations":[]}`,
		large,
		"GET /v1/kv/ns/k?key_encoding=base64 HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		before := r.direct()
		exchange(t, conn, send, "GET")
		if n := r.direct(); n != before {
			t.Errorf("%.40q was answered directly", send)
		}
		back()
	}
	// The head and the body of a request may come apart.
	if _, err := io.WriteString(conn, large[:len(large)-40_000]); err != nil {
		t.Fatal(err)
	}
	exchange(t, conn, large[len(large)-40_000:], "PUT")
	back()
}

// TestAByteThatNetHTTPHasReadStaysItsOwn sends a byte while net/http watches
// the connection: what looks like a request behind it is the rest of another.
// Whether net/http got to see the byte in time shows in whether the connection
// comes back: the beginning of a request without its end leaves it to net/http.
func TestAByteThatNetHTTPHasReadStaysItsOwn(t *testing.T) {
	t.Parallel()
	for range 50 {
		if byteBetween(t) {
			return
		}
	}
	t.Error("no connection came back")
}

// byteBetween has the byte of TestAByteThatNetHTTPHasReadStaysItsOwn sent to a
// new server, and says if the connection came back.
func byteBetween(t *testing.T) bool {
	t.Helper()
	var store *blockingStore
	r := start(t, func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
	})
	conn := r.dial()
	if _, err := io.WriteString(conn, plainRequest("PUT", "/v1/kv/ns/k", detour, "v")); err != nil {
		t.Fatal(err)
	}
	<-store.entered
	if _, err := io.WriteString(conn, "X"); err != nil {
		t.Fatal(err)
	}
	close(store.release)
	answers := exchange(t, conn, plainRequest("GET", "/v1/kv/ns/k", "", ""), "PUT", "GET")
	if !strings.HasPrefix(answers[1], "405 ") {
		t.Errorf("XGET is answered with %s", answers[1])
	}
	if n := r.direct(); n != 0 {
		t.Errorf("%d requests were answered directly", n)
	}
	return r.comesBack(conn)
}

func TestARequestInPiecesIsReadByNetHTTP(t *testing.T) {
	t.Parallel()
	r := start(t)
	conn := r.dial()
	get := plainRequest("GET", "/v1/kv/ns/k", "", "")
	exchange(t, conn, get, "GET")
	if _, err := io.WriteString(conn, get[:20]); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return r.metric("trivet_http_connections") == 1 })
	if answer := exchange(t, conn, get[20:], "GET")[0]; !strings.HasPrefix(answer, "404 ") {
		t.Errorf("got %s", answer)
	}
}

func TestAHeadThatTricklesIsCutOffBehindADirectAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.HeaderTimeout = 50 * time.Millisecond })
	conn := r.dial()
	get := plainRequest("GET", "/v1/kv/ns/k", "", "")
	exchange(t, conn, get, "GET")
	if _, err := io.WriteString(conn, get[:20]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // ends, rather than at its deadline
		t.Error(err)
	}
}

func TestAnIdleConnectionEndsBehindADirectAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.IdleTimeout = 50 * time.Millisecond })
	conn := r.dial()
	exchange(t, conn, plainRequest("GET", "/v1/kv/ns/k", "", ""), "GET")
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestQuietConnectionsDoNotHoldUpStop(t *testing.T) {
	t.Parallel()
	r := start(t)
	conn := r.dial()
	exchange(t, conn, plainRequest("GET", "/v1/kv/ns/k", "", ""), "GET")
	began := time.Now()
	if err := r.server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second { // http.Server takes it for a fresh one, and waits 5 s
		t.Errorf("it took %v", took)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestStopFinishesADirectAnswer(t *testing.T) {
	t.Parallel()
	var store *blockingStore
	r := start(t, func(o *server.Options) {
		store = newBlockingStore(o.Store)
		o.Store = store
	})
	conn := r.dial()
	if _, err := io.WriteString(conn, plainRequest("PUT", "/v1/kv/ns/k", "", "v")); err != nil {
		t.Fatal(err)
	}
	<-store.entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.server.Stop(t.Context()) }()
	eventually(t, func() bool {
		_, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.host)
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("it stopped with a request under way: %v", err)
	default:
	}
	close(store.release)
	if answer := exchange(t, conn, "", "PUT")[0]; !strings.HasPrefix(answer, "201 ") {
		t.Errorf("got %s", answer)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := r.direct(); n != 1 {
		t.Errorf("%d requests were answered directly", n)
	}
}

// panickingStore panics on every read.
type panickingStore struct{ kv.Store }

func (panickingStore) Get(context.Context, string, string, kv.ReadOptions) (kv.Entry, error) {
	panic("a bug")
}

func TestAPanicEndsADirectAnswerAndItsConnectionOnly(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.Store = panickingStore{o.Store} })
	for range 2 {
		conn := r.dial()
		answer := exchange(t, conn, plainRequest("GET", "/v1/kv/ns/k", "", ""), "GET")[0]
		if !strings.HasPrefix(answer, "500 ") || !strings.Contains(answer, `"code":"internal"`) {
			t.Errorf("got %s", answer)
		}
		if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
			t.Errorf("the connection goes on with %q, %v", rest, err)
		}
	}
	if n := r.direct(); n != 2 {
		t.Errorf("%d requests were answered directly", n)
	}
}
