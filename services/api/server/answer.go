package server

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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
//
// What handlers set by set goes out in the order in which it was set. Who asks
// for the Header gets all of it as a map, which costs more; from then on that
// map is what goes out.
type directAnswer struct {
	conn    *conn
	fields  []answerField
	header  http.Header
	mapped  bool     // header holds what fields did
	names   []string // of the header, sorted
	status  int
	size    int
	written bool
	out     []byte
	err     error
}

type answerField struct{ name, value string }

var _ responseWriter = (*directAnswer)(nil)

// begin makes it the answer to the next request of a connection.
func (a *directAnswer) begin(c *conn) {
	if a.mapped {
		clear(a.header)
	}
	a.conn, a.mapped, a.status, a.size, a.written, a.err = c, false, http.StatusOK, -1, false, nil
	a.fields, a.out = a.fields[:0], a.out[:0]
}

// set sets a header, in the canonical spelling of its name.
func (a *directAnswer) set(name, value string) {
	if a.mapped {
		a.header[name] = []string{value}
		return
	}
	for i := range a.fields {
		if a.fields[i].name == name {
			a.fields[i].value = value
			return
		}
	}
	a.fields = append(a.fields, answerField{name, value})
}

// Header implements [http.ResponseWriter].
func (a *directAnswer) Header() http.Header {
	if a.header == nil {
		a.header = make(http.Header, 16)
	}
	if !a.mapped {
		a.mapped = true
		for _, f := range a.fields {
			a.header[f.name] = []string{f.value}
		}
	}
	return a.header
}

// declares tells whether a header has been set.
func (a *directAnswer) declares(name string) bool {
	if a.mapped {
		return a.header[name] != nil
	}
	for i := range a.fields {
		if a.fields[i].name == name {
			return true
		}
	}
	return false
}

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
	if a.mapped {
		a.fieldsOfMap()
	} else {
		for _, f := range a.fields {
			a.field(f.name, f.value)
		}
	}
	a.field("Date", httpDate(time.Now()))
	if !a.declares("Content-Length") && a.hasBody() {
		// Handlers declare the length of every body but that of none.
		a.field("Content-Length", "0")
	}
	a.out = append(a.out, "\r\n"...)
}

func (a *directAnswer) fieldsOfMap() {
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
	if a.err == nil && a.declares("Connection") {
		return errLastAnswer
	}
	return a.err
}

// date is a second as HTTP writes it.
type date struct {
	second int64
	text   string
}

// lastDate is the date that was written last. Most answers are of the same
// second.
var lastDate atomic.Pointer[date]

func httpDate(now time.Time) string {
	second := now.Unix()
	if last := lastDate.Load(); last != nil && last.second == second {
		return last.text
	}
	d := &date{second, now.UTC().Format(http.TimeFormat)}
	lastDate.Store(d)
	return d.text
}
