package server

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// responseWriter is what a call is answered with: gin's of a request that came
// through net/http, or a directAnswer.
type responseWriter interface {
	http.ResponseWriter
	WriteHeaderNow()
	Status() int
	Size() int // bytes of the body; below 0 before the first one or WriteHeaderNow
	Written() bool
}

const (
	// copiedUpTo is the size up to which a body is copied behind its headers
	// and goes out with them in one system call.
	copiedUpTo = 16 << 10

	// keptUpTo is the size up to which a buffer is kept.
	keptUpTo = 32 << 10
)

// directAnswer writes the answer of one request as net/http would.
type directAnswer struct {
	conn    *conn
	header  http.Header
	names   []string // of the header, sorted
	status  int
	size    int
	written bool
	out     []byte
	err     error
}

var _ responseWriter = (*directAnswer)(nil)

// begin makes it the answer to the next request of a connection.
func (a *directAnswer) begin(c *conn) {
	if a.header == nil {
		a.header = make(http.Header, 16)
	}
	clear(a.header)
	a.conn, a.status, a.size, a.written, a.err = c, http.StatusOK, -1, false, nil
	a.out = a.out[:0]
}

// Header implements [http.ResponseWriter].
func (a *directAnswer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *directAnswer) WriteHeader(status int) { a.status = status }

// Status gives the status that is or will be answered.
func (a *directAnswer) Status() int { return a.status }

// Size gives the bytes of the body, -1 before the answer has begun.
func (a *directAnswer) Size() int { return a.size }

// Written tells whether the answer has begun.
func (a *directAnswer) Written() bool { return a.written }

// WriteHeaderNow begins the answer.
func (a *directAnswer) WriteHeaderNow() {
	if a.written {
		return
	}
	a.written, a.size = true, 0
	a.out = append(a.out, "HTTP/1.1 "...)
	a.out = strconv.AppendInt(a.out, int64(a.status), 10)
	a.out = append(a.out, ' ')
	a.out = append(a.out, http.StatusText(a.status)...)
	a.out = append(a.out, "\r\n"...)
	a.names = a.names[:0]
	for name := range a.header {
		a.names = append(a.names, name)
	}
	slices.Sort(a.names)
	for _, name := range a.names {
		for _, value := range a.header[name] {
			a.field(name, value)
		}
	}
	a.out = append(a.out, "Date: "...)
	a.out = time.Now().UTC().AppendFormat(a.out, http.TimeFormat)
	a.out = append(a.out, "\r\n"...)
	if a.header["Content-Length"] == nil && a.hasBody() {
		// Handlers declare the length of every body but that of none.
		a.out = append(a.out, "Content-Length: 0\r\n"...)
	}
	a.out = append(a.out, "\r\n"...)
}

func (a *directAnswer) field(name, value string) {
	a.out = append(a.out, name...)
	a.out = append(a.out, ": "...)
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 {
		value = newlines.Replace(value) // a value must not end its header
	}
	a.out = append(a.out, value...)
	a.out = append(a.out, "\r\n"...)
}

var newlines = strings.NewReplacer("\r", " ", "\n", " ")

// hasBody tells whether an answer of this status has one, be it empty.
func (a *directAnswer) hasBody() bool {
	return a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

// Write implements [http.ResponseWriter].
func (a *directAnswer) Write(p []byte) (int, error) {
	a.WriteHeaderNow()
	a.size += len(p)
	switch {
	case a.err != nil:
		return 0, a.err
	case len(p) <= copiedUpTo:
		a.out = append(a.out, p...)
	default:
		parts := net.Buffers{a.out, p}
		_, a.err = parts.WriteTo(a.conn.Conn)
		a.out = a.out[:0]
	}
	return len(p), a.err
}

// errLastAnswer ends a connection whose answer said that it was the last.
var errLastAnswer = errors.New("the answer was the connection's last")

// end sends what has not been sent.
func (a *directAnswer) end() error {
	a.WriteHeaderNow()
	if a.err == nil && len(a.out) > 0 {
		_, a.err = a.conn.Conn.Write(a.out)
	}
	if cap(a.out) > keptUpTo {
		a.out = nil
	}
	a.conn = nil
	if a.err == nil && a.header["Connection"] != nil {
		return errLastAnswer
	}
	return a.err
}
