package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	// unwantedBodyTimeout is how long a body is waited for that no handler has
	// asked for: net/http reads what is left of it before it answers, and that
	// must not let anybody keep a connection busy.
	unwantedBodyTimeout = time.Second

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
		c.paceBytes(length, writtenBytes)
		data, err = c.readKnown(length)
	} else {
		data, err = c.readUnknown(what, limit)
		c.paceBytes(int64(len(data)), writtenBytes)
	}
	if err == nil {
		// net/http goes on to watch the connection for its end, without a deadline.
		c.readUntil(time.Time{})
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
	c.awaitBody(c.server.opts.BodyTimeout)
	read, since := 0, 0
	for read < len(buf) {
		n, err := c.r.Body.Read(buf[read:])
		read += n
		since += n
		if err != nil {
			return read, err
		}
		if since >= progress {
			c.awaitBody(c.server.opts.BodyTimeout)
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

// awaitBody gives the client time for the next part of the body.
func (c *call) awaitBody(timeout time.Duration) {
	c.readUntil(time.Now().Add(timeout))
}

// readUntil bounds the reading of the body. That of a direct request is here as
// a whole.
func (c *call) readUntil(deadline time.Time) {
	if c.client == nil {
		_ = http.NewResponseController(c.w).SetReadDeadline(deadline)
	}
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
