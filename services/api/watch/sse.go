package watch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// event is a change in the form in which it is sent, shared by all the clients
// that get it.
type event struct {
	position kv.Position
	frame    []byte
}

func newEvent(c *kv.Change, values bool) *event {
	data := marshal(wire.FromChange(*c, values))
	frame := make([]byte, 0, len(data)+64)
	frame = append(frame, "event: "...)
	frame = append(frame, c.Kind...)
	frame = append(frame, "\nid: "...)
	frame = strconv.AppendInt(frame, int64(c.Position), 10)
	frame = append(frame, "\ndata: "...)
	frame = append(frame, data...) // with its line's end
	frame = append(frame, '\n')
	return &event{position: c.Position, frame: frame}
}

// marshal encodes one of the two shapes that are sent, which always can be.
func marshal(shape any) []byte {
	data, err := wire.Marshal(shape)
	if err != nil {
		panic(err)
	}
	return data
}

const (
	chunkBytes = 32 << 10    // events that are small go out together, up to this
	lastWait   = time.Second // for the last word to a client, and for a write that is under way when its stream has to end
)

var chunks = sync.Pool{New: func() any {
	chunk := make([]byte, 0, chunkBytes)
	return &chunk
}}

var (
	errWriteTimeout = errors.New("the client did not take what it was sent in time")
	errBroken       = errors.New("the connection is broken")
)

// writer writes a stream with a deadline for every chunk.
type writer struct {
	http      http.ResponseWriter
	control   *http.ResponseController
	keepAlive bool // the protocol carries several streams on one connection
	timeout   time.Duration

	mu   sync.Mutex // guards the deadline
	last bool       // the stream has to end: no deadline is extended any more
	done bool
}

func newWriter(w http.ResponseWriter, r *http.Request, timeout time.Duration) *writer {
	return &writer{http: w, control: http.NewResponseController(w), keepAlive: r.ProtoMajor > 1, timeout: timeout}
}

// open sends the headers and the position at which the stream starts.
func (w *writer) open(at kv.Position, retry time.Duration) error {
	header := w.http.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	if !w.keepAlive {
		// The server sends a last chunk of its own, which would wait without end
		// for a client that does not read if the connection were kept.
		header.Set("Connection", "close")
	}
	w.http.WriteHeader(http.StatusOK)
	return w.flush(fmt.Appendf(nil, "retry: %d\n: heartbeat\nid: %d\n\n", retry.Milliseconds(), at))
}

// heartbeat tells the client the position up to which everything has been
// looked at: an id without data moves Last-Event-ID and raises no event.
func (w *writer) heartbeat(at kv.Position) error {
	return w.flush(fmt.Appendf(nil, ": heartbeat\nid: %d\n\n", at))
}

// problem sends the stream's last event.
func (w *writer) problem(p wire.Problem) error {
	return w.flush(fmt.Appendf(nil, "event: error\ndata: %s\n", marshal(p)))
}

// events sends events, the small ones together.
func (w *writer) events(events []*event) error {
	pooled := chunks.Get().(*[]byte) // the pool holds nothing else
	defer chunks.Put(pooled)
	chunk := (*pooled)[:0]
	for _, e := range events {
		if len(chunk) > 0 && len(chunk)+len(e.frame) > chunkBytes {
			if err := w.write(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
		if len(e.frame) > chunkBytes {
			if err := w.write(e.frame); err != nil {
				return err
			}
			continue
		}
		chunk = append(chunk, e.frame...)
	}
	return w.flush(chunk)
}

func (w *writer) write(p []byte) error {
	return w.timed(func() error {
		_, err := w.http.Write(p)
		return err
	})
}

func (w *writer) flush(p []byte) error {
	return w.timed(func() error {
		if _, err := w.http.Write(p); err != nil {
			return err
		}
		return w.control.Flush()
	})
}

// timed runs a write within the time-out. The time it took tells a slow client
// from one that has gone: the error does so on some protocols only, and
// middleware may swallow that of a flush.
func (w *writer) timed(write func() error) error {
	begin := time.Now()
	if err := w.deadline(begin.Add(w.timeout)); err != nil {
		return err
	}
	err := write()
	if time.Since(begin) >= w.timeout {
		return errWriteTimeout
	}
	if err != nil {
		return errors.Join(errBroken, err)
	}
	// A deadline that passes between two writes would end an HTTP/2 stream.
	return w.deadline(time.Time{})
}

// deadline moves the write deadline, unless the stream has to end.
func (w *writer) deadline(at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last {
		return nil
	}
	if err := w.control.SetWriteDeadline(at); err != nil {
		return errors.Join(errBroken, err)
	}
	return nil
}

// attach makes the end of ctx cut short a write that is under way. What it
// returns has to be called before the handler returns.
func (w *writer) attach(ctx context.Context) (detach func()) {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.done {
			w.last = true
			_ = w.control.SetWriteDeadline(time.Now().Add(lastWait)) // its failure shows in the write
		}
	})
	return func() {
		stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done = true
	}
}

// prepare lifts the deadline that the server has for reading a request: it
// would end the stream. It fails where deadlines are not supported, since a
// client that does not read could hold up its stream for ever.
func (w *writer) prepare() error {
	if err := w.control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("prepare a stream: %w", err)
	}
	return nil
}
