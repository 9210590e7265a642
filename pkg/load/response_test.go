package load

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadResponse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, wire string
		want         response
		err          error
	}{
		"length":            {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", response{status: 200, body: 3}, nil},
		"header case":       {"GET", "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh:3\r\n\r\nabc", response{status: 200, body: 3}, nil},
		"no reason":         {"GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", response{status: 200}, nil},
		"chunks":            {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", response{status: 200, body: 13}, nil},
		"no content":        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", response{status: 204}, nil},
		"not modified":      {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", response{status: 304}, nil},
		"head":              {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", response{status: 200}, nil},
		"interim":           {"PUT", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", response{status: 201}, nil},
		"close":             {"GET", "HTTP/1.1 503 Busy\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", response{status: 503, body: 1, close: true}, nil},
		"short body":        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", response{}, io.EOF},
		"short chunk":       {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", response{}, io.EOF},
		"chunk without end": {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", response{}, errProtocol},
		"no answer":         {"GET", "", response{}, io.EOF},
		"no length":         {"GET", "HTTP/1.1 200 OK\r\n\r\nabc", response{}, errProtocol},
		"another protocol":  {"GET", "SSH-2.0-OpenSSH_9.2\r\n\r\n", response{}, errProtocol},
		"bad status":        {"GET", "HTTP/1.1 2x0 OK\r\n\r\n", response{}, errProtocol},
		"bad length":        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", response{}, errProtocol},
		"bad header":        {"GET", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", response{}, errProtocol},
		"long line":         {"GET", "HTTP/1.1 200 " + strings.Repeat("x", 5000) + "\r\n\r\n", response{}, errProtocol},
	} {
		r := bufio.NewReaderSize(strings.NewReader(c.wire), 4096)
		got, err := readResponse(r, c.method)
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, c.want, c.err)
		}
		if err == nil && r.Buffered() != 0 {
			t.Errorf("%s: %d bytes were not read", name, r.Buffered())
		}
	}
}

func TestBudgetOfARequest(t *testing.T) {
	const wire = "HTTP/1.1 200 OK\r\nETag: \"17\"\r\nContent-Type: application/octet-stream\r\nContent-Length: 3\r\n\r\nabc"
	source := strings.NewReader(wire)
	r := bufio.NewReader(source)
	req := Request{Method: "PUT", Target: []byte("/v1/kv/ns/key"), Body: []byte("value")}
	buf := make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		buf = req.AppendWire(buf[:0], "127.0.0.1:8080")
		source.Reset(wire)
		r.Reset(source)
		if _, err := readResponse(r, req.Method); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a request and its answer take %v allocations", allocs)
	}
}
