// Package watch serves the change log as server-sent events.
//
// A [Hub] runs one tailer for each namespace that somebody watches. The tailer
// reads the log once and hands every change to the feeds whose prefix it has,
// through an index, so that the work follows the number of deliveries and not
// the number of watchers. A feed is a small bounded buffer in front of one
// client. A client that falls behind leaves its feed and reads the log by
// itself, at its own pace: the log is the buffer, so a slow client costs no
// memory. Once it has caught up it joins again, without a gap and without a
// repeat.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Defaults of [Options].
const (
	DefaultHeartbeat     = 15 * time.Second
	DefaultRetry         = time.Second
	DefaultWriteTimeout  = 10 * time.Second
	DefaultStorePatience = 10 * time.Second
	DefaultMaxLag        = 1_000_000
	DefaultMaxStreams    = 10_000
	DefaultFeedEvents    = 256
	DefaultFeedBytes     = 64 << 10
)

// Options configure a hub. Zero values are replaced by the defaults.
type Options struct {
	Logger     *slog.Logger          // nil logs nothing
	Registerer prometheus.Registerer // nil registers nothing
	Now        func() time.Time      // the clock that changes are dated with; nil is time.Now

	// Problem makes the document that a stream's last event carries. It is the
	// API's own, so that a problem reads the same wherever it is met. Required.
	Problem func(ctx context.Context, err *kv.Error) wire.Problem

	Heartbeat     time.Duration // between two heartbeats of a stream
	Retry         time.Duration // after which a browser should reconnect
	WriteTimeout  time.Duration // within which a client has to take what it is sent, 64 KiB or one event at a time
	StorePatience time.Duration // how long a store may fail before its streams are ended
	MaxLag        int64         // positions that a stream may fall behind the log once it has been live
	MaxStreams    int           // of this process
	FeedEvents    int           // events that wait for one client before it falls behind
	FeedBytes     int           // bytes that wait for one client before it falls behind; one event always may
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	orDefault(&o.Heartbeat, DefaultHeartbeat)
	orDefault(&o.Retry, DefaultRetry)
	orDefault(&o.WriteTimeout, DefaultWriteTimeout)
	orDefault(&o.StorePatience, DefaultStorePatience)
	orDefault(&o.MaxLag, DefaultMaxLag)
	orDefault(&o.MaxStreams, DefaultMaxStreams)
	orDefault(&o.FeedEvents, DefaultFeedEvents)
	orDefault(&o.FeedBytes, DefaultFeedBytes)
	return o
}

func orDefault[T int | int64 | time.Duration](option *T, value T) {
	if *option <= 0 {
		*option = value
	}
}

// Request is what a client asked to watch. The caller has validated it.
type Request struct {
	Namespace string
	Prefix    string
	After     kv.Position // the first event is one behind it
	HasAfter  bool        // false starts at the head of the log
	Values    bool        // with the values of puts
}

// Hub serves watch streams. It is a lifecycle.Service: Serve refuses clients
// before Start and after Stop.
type Hub struct {
	store   kv.Store
	opts    Options
	metrics *metrics

	// readers limits how many streams read the log at once, so that a crowd of
	// clients that reconnects does not starve the store's other callers.
	readers chan struct{}

	mu      sync.Mutex
	state   state
	streams map[*stream]context.CancelCauseFunc
	ended   sync.WaitGroup // the streams and the tailers
	tailers map[string]*tailer
}

type state uint8

const (
	created state = iota
	running
	stopped
)

// ErrStopping is what the last event of a stream says when the server stops.
var ErrStopping = &kv.Error{
	Code:       kv.CodeUnavailable,
	Detail:     "the server is stopping; reconnect with Last-Event-ID",
	RetryAfter: time.Second,
}

var errStarting = &kv.Error{Code: kv.CodeUnavailable, Detail: "the server is starting", RetryAfter: time.Second}

// NewHub makes a hub that reads the store's change log.
func NewHub(store kv.Store, opts Options) *Hub {
	opts = opts.withDefaults()
	return &Hub{
		store:   store,
		opts:    opts,
		metrics: newMetrics(opts.Registerer),
		readers: make(chan struct{}, max(4, 2*runtime.GOMAXPROCS(0))),
		streams: make(map[*stream]context.CancelCauseFunc),
		tailers: make(map[string]*tailer),
	}
}

// Start lets clients in.
func (h *Hub) Start(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == created {
		h.state = running
	}
	return nil
}

// Stop ends every stream with an event that says so, and returns when the last
// one has ended. It has to come before http.Server.Shutdown, which waits for
// streams rather than ending them.
func (h *Hub) Stop(ctx context.Context) error {
	h.mu.Lock()
	h.state = stopped
	for _, cancel := range h.streams {
		cancel(ErrStopping)
	}
	h.mu.Unlock()

	done := make(chan struct{})
	go func() {
		h.ended.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("stop watch streams"), context.Cause(ctx))
	}
}

// Serve streams changes to the client until it goes away, ctx ends or the hub
// stops. An error is one that was met before the first byte: the caller
// answers it. Later ones become the stream's last event, and Serve returns nil.
//
// When ctx ends with a cause that is a [kv.Error], such as a token that was
// revoked, that is what the last event says.
func (h *Hub) Serve(ctx context.Context, w http.ResponseWriter, r *http.Request, req Request) error {
	s := &stream{
		hub:       h,
		req:       req,
		out:       newWriter(w, r, h.opts.WriteTimeout),
		remote:    r.RemoteAddr,
		pageLimit: min(firstPageLimit, h.opts.FeedEvents),
	}
	ctx, err := h.enter(ctx, s)
	if err != nil {
		return err
	}
	defer h.leave(s)
	return s.serve(ctx)
}

func (h *Hub) enter(ctx context.Context, s *stream) (context.Context, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.state == created:
		return nil, errStarting
	case h.state == stopped:
		return nil, ErrStopping
	case len(h.streams) >= h.opts.MaxStreams:
		h.metrics.refused.Inc()
		return nil, &kv.Error{
			Code:       kv.CodeOverloaded,
			Detail:     "this server has as many watch streams as it takes; try again",
			RetryAfter: h.opts.Retry,
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	h.streams[s] = cancel
	h.ended.Add(1)
	h.metrics.streams.Inc()
	return ctx, nil
}

func (h *Hub) leave(s *stream) {
	h.mu.Lock()
	h.streams[s](nil)
	delete(h.streams, s)
	h.mu.Unlock()
	h.metrics.streams.Dec()
	h.ended.Done()
}

// join puts a feed into the namespace's tailer, which it starts when there is
// none, at position at. It gives the position from which on the feed has
// everything.
func (h *Hub) join(f *feed, ns string, at kv.Position) (*tailer, kv.Position) {
	for {
		h.mu.Lock()
		t := h.tailers[ns]
		if t == nil {
			t = h.startTailer(ns, at)
		}
		t.feeds++
		h.mu.Unlock()
		if from, ok := t.add(f, at); ok {
			return t, from
		}
		h.release(t) // it has failed in the meantime; the next one may not
	}
}

// startTailer is called with mu held.
func (h *Hub) startTailer(ns string, at kv.Position) *tailer {
	ctx, cancel := context.WithCancel(context.Background())
	t := &tailer{hub: h, namespace: ns, cancel: cancel}
	t.position.Store(int64(at))
	h.tailers[ns] = t
	h.metrics.tailers.Inc()
	h.ended.Go(func() {
		defer h.metrics.tailers.Dec()
		t.run(ctx)
	})
	return t
}

// release gives up one feed's hold on a tailer; the last one ends it.
func (h *Hub) release(t *tailer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.feeds--
	if t.feeds == 0 {
		h.forget(t)
	}
}

// forget ends a tailer and makes room for another. It is called with mu held.
func (h *Hub) forget(t *tailer) {
	t.cancel()
	if h.tailers[t.namespace] == t {
		delete(h.tailers, t.namespace)
	}
}
