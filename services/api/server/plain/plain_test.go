package plain_test

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/services/api/server/plain"
)

const get = "GET /v1/kv/ns/users/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n"

func TestAPlainRequestIsRead(t *testing.T) {
	t.Parallel()
	put := "PUT /v1/kv/ns/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\nTrivet-TTL:90s \r\n\r\nabc"
	buf := []byte(get + put + "GE")
	var r plain.Request
	n, ok := r.Parse(buf)
	if !ok || n != len(get) || r.Method != "GET" || r.Path != "/v1/kv/ns/users/42" || r.Host != "127.0.0.1:8080" || len(r.Body) != 0 {
		t.Fatalf("%d %t %+v", n, ok, r)
	}
	if h := r.Header; len(h) != 2 || h.Get("User-Agent") != "curl/8" || h.Get("Accept") != "*/*" {
		t.Errorf("headers %v", h)
	}
	m, ok := r.Parse(buf[n:])
	if !ok || m != len(put) || r.Method != "PUT" || string(r.Body) != "abc" || r.Host != "localhost" {
		t.Fatalf("%d %t %+v", m, ok, r)
	}
	if h := r.Header; len(h) != 2 || h.Get("Trivet-Ttl") != "90s" || h.Get("Accept") != "" {
		t.Errorf("headers %v", h)
	}
	if _, ok := r.Parse(buf[n+m:]); ok {
		t.Error("a part of a request was read")
	}
}

func TestWhatIsNotPlainIsLeft(t *testing.T) {
	t.Parallel()
	head := func(line string, fields ...string) string {
		return line + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
	}
	const host = "Host: a"
	for name, text := range map[string]string{
		"nothing":                   "",
		"half a request":            "GET / HTTP/1.1\r\nHost: a\r\n",
		"bare line feeds":           "GET / HTTP/1.1\nHost: a\n\n",
		"a method with more to it":  head("HEAD / HTTP/1.1", host),
		"a lower-case method":       head("get / HTTP/1.1", host),
		"an older version":          head("GET / HTTP/1.0", host),
		"a query":                   head("GET /?a=b HTTP/1.1", host),
		"an encoded path":           head("GET /%41 HTTP/1.1", host),
		"a fragment":                head("GET /#a HTTP/1.1", host),
		"a path with a space":       head("GET /a b HTTP/1.1", host),
		"an absolute target":        head("GET http://a/ HTTP/1.1", host),
		"no host":                   head("GET / HTTP/1.1", "Accept: */*"),
		"two hosts":                 head("GET / HTTP/1.1", host, host),
		"an empty host":             head("GET / HTTP/1.1", "Host:"),
		"a host with more to it":    head("GET / HTTP/1.1", "Host: a/b"),
		"a field twice":             head("GET / HTTP/1.1", host, "Accept: a", "accept: b"),
		"a folded field":            head("GET / HTTP/1.1", host, "Accept: a", " b"),
		"a space before the colon":  head("GET / HTTP/1.1", host, "Accept : a"),
		"no colon":                  head("GET / HTTP/1.1", host, "Accept"),
		"a tab":                     head("GET / HTTP/1.1", host, "Accept: a\tb"),
		"a carriage return":         head("GET / HTTP/1.1", host, "Accept: a\rb"),
		"a byte above ASCII":        head("GET / HTTP/1.1", host, "Accept: \xff"),
		"the end of the connection": head("GET / HTTP/1.1", host, "Connection: close"),
		"an upgrade":                head("GET / HTTP/1.1", host, "Upgrade: h2c"),
		"an expectation":            head("PUT / HTTP/1.1", host, "Content-Length: 0", "Expect: 100-continue"),
		"chunks":                    head("PUT / HTTP/1.1", host, "Transfer-Encoding: chunked"),
		"a GET with a body":         head("GET / HTTP/1.1", host, "Content-Length: 0"),
		"a PUT without a length":    head("PUT / HTTP/1.1", host),
		"a body still to come":      head("PUT / HTTP/1.1", host, "Content-Length: 1"),
		"a signed length":           head("PUT / HTTP/1.1", host, "Content-Length: +0"),
		"a length beyond numbers":   head("PUT / HTTP/1.1", host, "Content-Length: 99999999999999999999"),
		"two lengths":               head("PUT / HTTP/1.1", host, "Content-Length: 0", "Content-Length: 0"),
		"too many fields":           head("GET / HTTP/1.1", append(many(33), host)...),
	} {
		if n, ok := new(plain.Request).Parse([]byte(text)); ok || n != 0 {
			t.Errorf("%s was read: %q", name, text)
		}
	}
}

func many(n int) (fields []string) {
	for i := range n {
		fields = append(fields, "X-"+strings.Repeat("a", i+1)+": b")
	}
	return fields
}

func TestLengthIsToldWhereItIsBeyondDoubt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		get:          int64(len(get)),
		get + "more": int64(len(get)),
		"POST /v1/batch/ns?a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{": 63 + 1000,
		"GET / HTTP/1.1\r\n\r\n":                                              18,
		"GET / HTTP/1.1\r\nA: b":                                              0,
		"GET / HTTP/1.0\r\n\r\n":                                              0,
		"GET / HTTP/1.1\r\nA: b\n\r\n\r\n":                                    0,
		"GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n":                        0,
		"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n":                        0,
		"GET / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n":                      0,
		"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n":    0,
		"GET / HTTP/1.1\r\n Content-Length: 5\r\n\r\n":                        0,
		"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n":                0,
		"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n":                              0,
		"PUT / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n": 0,
		"PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n":      0,
	} {
		got, ok := plain.Length([]byte(text))
		if got != want || ok != (want > 0) {
			t.Errorf("%q: %d %t, want %d", text, got, ok, want)
		}
	}
}

// FuzzParse holds what is plain against net/http: it has to read the same
// request from the same bytes, and to end in the same place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(get))
	f.Add([]byte(get + get))
	f.Add([]byte("PUT /v1/kv/ns/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTrivet-TTL: 90s\r\n\r\nabcGET"))
	f.Add([]byte("DELETE /v1/kv/a/b//..;=@ HTTP/1.1\r\nHOST: [::1]:80\r\nConnection: Keep-Alive\r\nIf-Match: \"1\"\r\n\r\n"))
	f.Add([]byte("GET //a/../b HTTP/1.1\r\nHost: a\r\nCookie:\r\nX-1: : \r\n\r\n"))
	f.Fuzz(func(t *testing.T, buf []byte) {
		var r plain.Request
		n, ok := r.Parse(buf)
		if !ok {
			return
		}
		if length, ok := plain.Length(buf); !ok || length != int64(n) {
			t.Fatalf("%q has %d bytes, or %d (%t)", buf, n, length, ok)
		}
		rest := bufio.NewReader(bytes.NewReader(buf))
		theirs, err := http.ReadRequest(rest)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", buf, err)
		}
		body, err := io.ReadAll(theirs.Body)
		if err != nil {
			t.Fatal(err)
		}
		left, _ := io.ReadAll(rest)
		if len(buf)-len(left) != n {
			t.Errorf("%q ends after %d bytes, for net/http after %d", buf, n, len(buf)-len(left))
		}
		if theirs.Method != r.Method || theirs.RequestURI != r.Path || theirs.URL.RawQuery != "" || theirs.Host != r.Host || !bytes.Equal(body, r.Body) || theirs.ContentLength != int64(len(r.Body)) {
			t.Errorf("%q is %+v, for net/http %+v", buf, r, theirs)
		}
		if !maps.EqualFunc(theirs.Header, r.Header, slices.Equal) {
			t.Errorf("%q has headers %v, for net/http %v", buf, r.Header, theirs.Header)
		}
		if theirs.Close {
			t.Errorf("%q ends its connection", buf)
		}
	})
}

// FuzzLength holds the length of a request against what net/http takes of it.
func FuzzLength(f *testing.F) {
	f.Add([]byte(get + get))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef"))
	f.Add([]byte("PATCH /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\nConnection: upgrade\r\n\r\nabcdef"))
	f.Fuzz(func(t *testing.T, buf []byte) {
		length, ok := plain.Length(buf)
		if !ok || length > int64(len(buf)) {
			return
		}
		rest := bufio.NewReader(bytes.NewReader(buf))
		theirs, err := http.ReadRequest(rest)
		if err != nil {
			return // and ends the connection
		}
		if _, err := io.Copy(io.Discard, theirs.Body); err != nil {
			t.Fatal(err)
		}
		left, _ := io.ReadAll(rest)
		if int64(len(buf)-len(left)) != length {
			t.Errorf("%q ends after %d bytes, for net/http after %d", buf, length, len(buf)-len(left))
		}
	})
}
