package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/wire"
)

// headerBlock puts an answer's headers together in two allocations: one text
// that holds all their values, and one array that holds the header map's
// one-element slices.
type headerBlock struct {
	fields [8]headerField
	n      int
	buf    [256]byte
	end    int
}

type headerField struct {
	name string
	end  int // of its value in buf
}

func (b *headerBlock) put(name string, value []byte) {
	b.end = len(value) // value is buf up to there, as the append functions left it
	b.fields[b.n] = headerField{name, b.end}
	b.n++
}

func (b *headerBlock) integer(name string, n int64) {
	b.put(name, strconv.AppendInt(b.buf[:b.end], n, 10))
}

func (b *headerBlock) quoted(name string, n int64) {
	out := append(b.buf[:b.end], '"')
	out = strconv.AppendInt(out, n, 10)
	b.put(name, append(out, '"'))
}

func (b *headerBlock) date(name string, t time.Time) {
	b.put(name, t.UTC().AppendFormat(b.buf[:b.end], http.TimeFormat))
}

func (b *headerBlock) timestamp(name string, t time.Time) {
	b.put(name, t.UTC().AppendFormat(b.buf[:b.end], wire.TimeFormat))
}

// write moves the fields into the call's answer.
func (b *headerBlock) write(c *call) {
	text := string(b.buf[:b.end])
	start := 0
	if direct, ok := c.w.(*directAnswer); ok {
		for _, field := range b.fields[:b.n] {
			direct.set(field.name, text[start:field.end])
			start = field.end
		}
		return
	}
	h, values := c.w.Header(), make([]string, b.n)
	for i, field := range b.fields[:b.n] {
		values[i] = text[start:field.end]
		h[field.name] = values[i : i+1 : i+1]
		start = field.end
	}
}
