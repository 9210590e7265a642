package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// budget bounds the bytes of all bodies that are being worked on.
type budget struct {
	limit int64
	taken atomic.Int64
}

// take reserves bytes, or takes none.
func (b *budget) take(n int64) error {
	if b.taken.Add(n) > b.limit {
		b.taken.Add(-n)
		return &kv.Error{
			Code:       kv.CodeOverloaded,
			Detail:     "the server is working on as many bytes of requests as it takes; try again",
			RetryAfter: time.Second,
		}
	}
	return nil
}

func (b *budget) give(n int64) { b.taken.Add(-n) }

const (
	// progress is how much of a body has to come within each BodyTimeout.
	progress = 256 << 10

	// firstChunk is the buffer that a body of unknown length begins with.
	firstChunk = 4 << 10
)

// readBody reads the whole body into a buffer of its size that nobody else
// uses. Its bytes count against the server's budget until the request ends.
func (c *call) readBody(what string, limit int64) ([]byte, error) {
	if encoding := c.r.Header["Content-Encoding"]; len(encoding) > 0 {
		return nil, &kv.Error{
			Code:   kv.CodeUnsupportedMediaType,
			Field:  "Content-Encoding",
			Detail: "encoded bodies are not taken; send the bytes as they are",
		}
	}
	length := c.r.ContentLength
	switch {
	case length == 0:
		return []byte{}, nil
	case length > limit:
		return nil, tooLarge(what, limit)
	}
	var data []byte
	var err error
	if length > 0 {
		data, err = c.readKnown(length)
	} else {
		data, err = c.readUnknown(what, limit)
	}
	if err == nil {
		// net/http goes on to watch the connection for its end, without a deadline.
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	}
	c.extendWrite() // the time for the answer begins now
	return data, err
}

func tooLarge(what string, limit int64) error {
	return &kv.Error{Code: kv.CodeTooLarge, Field: "body", Detail: what + " is larger than " + sizeText(limit)}
}

func (c *call) readKnown(length int64) ([]byte, error) {
	if err := c.reserve(length); err != nil {
		return nil, err
	}
	buf := make([]byte, length)
	n, err := c.fill(buf)
	switch {
	case int64(n) == length:
		return buf, nil
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return nil, brokenBody(err)
}

// readUnknown reads a body without a declared length, up to one byte above the
// limit.
func (c *call) readUnknown(what string, limit int64) ([]byte, error) {
	var buf []byte
	for size := int64(firstChunk); ; size *= 2 {
		size = min(size, limit+1)
		if err := c.reserve(size - int64(cap(buf))); err != nil {
			return nil, err
		}
		have := len(buf)
		grown := make([]byte, size)
		copy(grown, buf)
		n, err := c.fill(grown[have:])
		buf = grown[:have+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, tooLarge(what, limit)
		case errors.Is(err, io.EOF):
			return trim(buf), nil
		case err != nil:
			return nil, brokenBody(err)
		}
	}
}

// fill reads until buf is full, or to the body's end, which is io.EOF.
func (c *call) fill(buf []byte) (int, error) {
	read, since := 0, 0
	for read < len(buf) {
		n, err := c.r.Body.Read(buf[read:])
		read += n
		since += n
		if err != nil {
			return read, err
		}
		if since >= progress {
			c.awaitBody()
			since = 0
		}
	}
	return read, nil
}

// trim gives a body a buffer of its own size when the one it was read into is
// much larger: a store may keep it.
func trim(buf []byte) []byte {
	if cap(buf)-len(buf) > len(buf)/8 {
		return append(make([]byte, 0, len(buf)), buf...)
	}
	return buf
}

// awaitBody gives the client time for the next part of the body. It is called
// before anything else for every request that has one: net/http reads what the
// handler has left of it before it answers.
func (c *call) awaitBody() {
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(c.server.opts.BodyTimeout))
}

func brokenBody(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &kv.Error{Code: kv.CodeTimeout, Field: "body", Detail: "the body came too slowly", Cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &kv.Error{Code: kv.CodeInvalidArgument, Field: "body", Detail: "the body ended before its declared length", Cause: err}
	default:
		return &kv.Error{Code: kv.CodeInvalidArgument, Field: "body", Detail: "the body could not be read", Cause: err}
	}
}

// reserve counts bytes against the server's budget until the request ends.
func (c *call) reserve(n int64) error {
	if err := c.server.bodies.take(n); err != nil {
		return err
	}
	c.reserved += n
	return nil
}
