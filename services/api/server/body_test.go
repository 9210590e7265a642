package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

func TestAValueOfTheLargestSizeIsTakenAndOneByteMoreIsNot(t *testing.T) {
	t.Parallel()
	r := start(t)
	value := strings.Repeat("0123456789abcdef", kv.MaxValueBytes/16)
	for _, chunked := range []bool{false, true} {
		for _, extra := range []string{"", "x"} {
			path := fmt.Sprintf("/v1/kv/ns/%v", chunked)
			body := io.Reader(strings.NewReader(value + extra))
			if chunked {
				body = io.MultiReader(body) // of a length that the client cannot know
			}
			a := r.send(r.request(http.MethodPut, path, nil, body))
			if extra != "" {
				a.wantProblem(413, kv.CodeTooLarge, "body", "the value is larger than 8 MiB")
				continue
			}
			a.want(http.StatusCreated, "")
			if got := r.get(path).want(http.StatusOK, "*"); !bytes.Equal(got.body, []byte(value)) {
				t.Error("another value was read")
			}
		}
	}
}

func TestChunkedBodiesOfEverySizeArriveWhole(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, size := range []int{0, 1, 4<<10 - 1, 4 << 10, 4<<10 + 1, 8 << 10, 100_000, 256 << 10, 300_000, 1 << 20} {
		value := strings.Repeat("v", size)
		r.send(r.request(http.MethodPut, "/v1/kv/ns/k", nil, io.MultiReader(strings.NewReader(value))))
		entry, err := r.store.Get(t.Context(), "ns", "k", kv.ReadOptions{Consistency: kv.Strong})
		if err != nil || string(entry.Value) != value {
			t.Errorf("%d bytes: the store has %d, %v", size, len(entry.Value), err)
		}
		if spare := cap(entry.Value) - len(entry.Value); spare > len(entry.Value)/4+1024 {
			t.Errorf("%d bytes are kept in a buffer of %d", size, cap(entry.Value))
		}
	}
}

// TestADeclaredLengthIsRefusedBeforeTheBodyIsSent would hang if the server
// waited for the body.
func TestADeclaredLengthIsRefusedBeforeTheBodyIsSent(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		answer := r.raw("PUT /v1/kv/ns/k HTTP/1.1\r\nHost: " + r.host + "\r\nContent-Length: 8388609\r\n" + expect + "\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 413 Request Entity Too Large\r\n") {
			t.Errorf("got %s", answer)
		}
	}
}

func TestAClientThatExpectsContinueGetsIt(t *testing.T) {
	t.Parallel()
	r := start(t)
	conn := r.dial()
	fmt.Fprintf(conn, "PUT /v1/kv/ns/k HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", r.host)
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	fmt.Fprint(conn, "hello")
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(rest), "HTTP/1.1 201 Created\r\n") {
		t.Fatalf("got %s, %v", rest, err)
	}
	r.get("/v1/kv/ns/k").want(http.StatusOK, "hello")
}

// A body that ends before its declared length, or in the middle of a chunk,
// must not be written, whatever of it has come.
func TestHalfABodyIsNeverWritten(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", "before")
	head := "PUT /v1/kv/ns/k HTTP/1.1\r\nHost: " + r.host + "\r\n"
	for name, request := range map[string]string{
		"declared length":   head + "Content-Length: 10\r\n\r\nhalf",
		"chunk":             head + "Transfer-Encoding: chunked\r\n\r\na\r\nhalf",
		"between chunks":    head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"last chunk's size": head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0",
		"trailer":           head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nA: b",
		"malformed chunk":   head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalfXX",
		"malformed size":    head + "Transfer-Encoding: chunked\r\n\r\nx\r\nhalf",
	} {
		conn := r.dial()
		fmt.Fprint(conn, request)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 Bad Request\r\n") || !strings.Contains(string(answer), `"field":"body"`) {
			t.Errorf("%s: got %q, %v", name, answer, err)
		}
	}
	r.get("/v1/kv/ns/k").want(http.StatusOK, "before")
}

func TestABodyThatMakesNoProgressIsGivenUp(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.BodyTimeout = 50 * time.Millisecond })
	answer := r.raw("PUT /v1/kv/ns/k HTTP/1.1\r\nHost: " + r.host + "\r\nContent-Length: 10\r\n\r\nhalf")
	if !strings.HasPrefix(answer, "HTTP/1.1 504 Gateway Timeout\r\n") || !strings.Contains(answer, `"detail":"the body came too slowly","field":"body"`) {
		t.Errorf("got %s", answer)
	}
	r.get("/v1/kv/ns/k").want(http.StatusNotFound, "*")
}

// TestABodyMayTakeLongerThanTheRequest has a body that takes several times the
// request's time limit, which counts from the body's end.
func TestABodyMayTakeLongerThanTheRequest(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.RequestTimeout = 300 * time.Millisecond })
	reader, writer := io.Pipe()
	go func() {
		for range 4 {
			time.Sleep(100 * time.Millisecond) // what is tested is that time passes
			_, _ = io.WriteString(writer, "part")
		}
		_ = writer.Close()
	}()
	r.send(r.request(http.MethodPut, "/v1/kv/ns/k", nil, reader)).want(http.StatusCreated, "")
	r.get("/v1/kv/ns/k").want(http.StatusOK, "partpartpartpart")
}

func TestBodiesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.MaxBodiesBytes = 1000 })
	conn := r.dial()
	fmt.Fprintf(conn, "PUT /v1/kv/ns/slow HTTP/1.1\r\nHost: %s\r\nContent-Length: 900\r\nConnection: close\r\n\r\n", r.host)
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 900 })
	overloaded := "the server is working on as many bytes of requests and answers as it takes; try again"
	r.put("/v1/kv/ns/k", strings.Repeat("v", 200)).wantProblem(503, kv.CodeOverloaded, "", overloaded).wantHeader("Retry-After", "1")
	r.send(r.request(http.MethodPut, "/v1/kv/ns/k", nil, io.MultiReader(strings.NewReader("v")))).wantProblem(503, kv.CodeOverloaded, "", overloaded)
	r.put("/v1/kv/ns/k", strings.Repeat("v", 100)).want(http.StatusCreated, "")
	fmt.Fprint(conn, strings.Repeat("s", 900))
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 201 Created\r\n") {
		t.Fatalf("got %s, %v", answer, err)
	}
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 0 })
	r.put("/v1/kv/ns/k", strings.Repeat("v", 1000)).want(http.StatusOK, "")
}

// TestAClientThatGoesAwayGivesItsBytesBack would leave the budget taken.
func TestAClientThatGoesAwayGivesItsBytesBack(t *testing.T) {
	t.Parallel()
	r := start(t)
	conn := r.dial()
	fmt.Fprintf(conn, "PUT /v1/kv/ns/k HTTP/1.1\r\nHost: %s\r\nContent-Length: 900\r\n\r\nhalf", r.host)
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 900 })
	_ = conn.Close()
	eventually(t, func() bool { return r.metric("trivet_http_body_bytes_in_flight") == 0 })
	r.get("/v1/kv/ns/k").want(http.StatusNotFound, "*")
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	host := "Host: " + r.host + "\r\n"
	answer := r.raw("PUT /v1/kv/ns/k HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\none" +
		"GET /v1/kv/ns/k HTTP/1.1\r\n" + host + "\r\n" +
		"PUT /v1/kv/ns/k HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n" +
		"HEAD /v1/kv/ns/k HTTP/1.1\r\n" + host + "\r\n" +
		"GET /v1/kv/ns/absent HTTP/1.1\r\n" + host + "\r\n" +
		"GET /v1/kv/ns/k HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
	reader := bufio.NewReader(strings.NewReader(answer))
	for i, want := range []struct {
		method string
		status int
		body   string
	}{{"PUT", 201, ""}, {"GET", 200, "one"}, {"PUT", 200, ""}, {"HEAD", 200, ""}, {"GET", 404, "*"}, {"GET", 200, "two"}} {
		response, err := http.ReadResponse(reader, &http.Request{Method: want.method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != want.status || want.body != "*" && string(body) != want.body {
			t.Errorf("answer %d: got %d %s, %v", i, response.StatusCode, body, err)
		}
	}
}
