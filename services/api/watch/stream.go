package watch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// stream is one client.
type stream struct {
	hub    *Hub
	req    Request
	out    *writer
	remote string

	position  kv.Position // everything up to it has been looked at, and sent when it was wanted
	live      bool        // has been live before
	pageLimit int         // changes to read from the log at once
	heartbeat *time.Ticker
}

// errLagging ends a stream that cannot keep up.
var errLagging = &kv.Error{Code: kv.CodeOverloaded, Detail: "the stream has fallen too far behind the changes; reconnect with Last-Event-ID when it can keep up"}

// serve returns an error that was met before the first byte.
func (s *stream) serve(ctx context.Context) error {
	page, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if err := s.out.prepare(); err != nil {
		return err
	}
	started := time.Now()
	s.heartbeat = time.NewTicker(s.hub.opts.Heartbeat)
	defer s.heartbeat.Stop()
	defer s.out.attach(ctx)()

	err = s.out.open(s.position, s.hub.opts.Retry)
	if err == nil {
		err = s.run(ctx, page)
	}
	s.end(ctx, err, time.Since(started))
	return nil
}

// begin finds where the stream starts and reads the first page.
func (s *stream) begin(ctx context.Context) (kv.ChangePage, error) {
	head, err := s.hub.store.Head(ctx)
	if err != nil {
		return kv.ChangePage{}, err
	}
	s.position = head
	if s.req.HasAfter {
		s.position = s.req.After
	}
	if s.position > head {
		// It would silently skip what is written until then: the log is another
		// one, such as that of a store which was restored.
		return kv.ChangePage{}, &kv.Error{
			Code:   kv.CodePositionExpired,
			Detail: "the position is not one of this log; list the keys and watch from that list's position",
		}
	}
	if err := s.acquire(ctx); err != nil {
		return kv.ChangePage{}, err
	}
	defer s.releaseReader()
	return s.hub.store.Changes(ctx, s.req.Namespace, s.query())
}

func (s *stream) query() kv.ChangeQuery {
	return kv.ChangeQuery{Prefix: s.req.Prefix, After: s.position, Limit: s.pageLimit, Values: s.req.Values}
}

// run alternates between the log and the live feed; it starts with a page of
// the log and returns why the stream has to end.
func (s *stream) run(ctx context.Context, page kv.ChangePage) error {
	for {
		if err := s.catchUp(ctx, page); err != nil {
			return err
		}
		if err := s.follow(ctx); err != nil {
			return err
		}
		s.hub.metrics.catchUps.Inc()
		var err error
		if page, err = s.readPage(ctx); err != nil {
			return err
		}
	}
}

// catchUp sends the page and what follows it in the log, to its end.
func (s *stream) catchUp(ctx context.Context, page kv.ChangePage) error {
	for {
		if err := s.sendPage(page.Changes); err != nil {
			return err
		}
		s.position = max(s.position, page.Next)
		if !page.More {
			return nil
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
		var err error
		if page, err = s.readPage(ctx); err != nil {
			return err
		}
	}
}

// pause looks, between two pages, after what cannot wait for the end of the
// log.
func (s *stream) pause(ctx context.Context) error {
	if s.live {
		head, err := s.hub.store.Head(ctx) // a store that fails shows in the next page
		if err == nil && int64(head-s.position) > s.hub.opts.MaxLag {
			return errLagging
		}
	}
	select {
	case <-s.heartbeat.C:
		return s.out.heartbeat(s.position)
	default:
		return nil
	}
}

// follow sends what comes live. It returns nil when the stream has fallen
// behind and has to catch up.
func (s *stream) follow(ctx context.Context) error {
	f := newFeed(s.req.Prefix, s.req.Values, limits{s.hub.opts.FeedEvents, s.hub.opts.FeedBytes})
	t, from := s.hub.join(f, s.req.Namespace, s.position)
	defer s.hub.release(t)
	defer t.remove(f)

	// The feed holds what is behind from. What is between the stream's position
	// and there comes from the log.
	if err := s.closeGap(ctx, from); err != nil {
		return err
	}
	s.live = true
	due := false // a heartbeat
	for {
		// Loaded before the feed is emptied: all up to it has been pushed.
		looked := kv.Position(t.position.Load())
		events, end, err := f.take()
		if err := s.send(events); err != nil {
			return err
		}
		switch end {
		case overflowed:
			return nil
		case failed:
			return err
		}
		s.position = max(s.position, looked)
		if due {
			if err := s.out.heartbeat(s.position); err != nil {
				return err
			}
		}
		select {
		case <-f.ready:
			due = false
		case <-s.heartbeat.C:
			due = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// closeGap sends what the log holds up to a position.
func (s *stream) closeGap(ctx context.Context, to kv.Position) error {
	for s.position < to {
		page, err := s.readPage(ctx)
		if err != nil {
			return err
		}
		changes := page.Changes
		for len(changes) > 0 && changes[len(changes)-1].Position > to {
			changes = changes[:len(changes)-1]
		}
		if err := s.sendPage(changes); err != nil {
			return err
		}
		s.position = min(max(s.position, page.Next), to)
		if !page.More {
			s.position = to
		}
	}
	return nil
}

// readPage reads the log behind the stream's position.
func (s *stream) readPage(ctx context.Context) (kv.ChangePage, error) {
	if err := s.acquire(ctx); err != nil {
		return kv.ChangePage{}, err
	}
	defer s.releaseReader()
	return s.hub.read(ctx, s.req.Namespace, s.query())
}

func (s *stream) acquire(ctx context.Context) error {
	select {
	case s.hub.readers <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *stream) releaseReader() { <-s.hub.readers }

// firstPageLimit is small because nothing is known of the size of the values.
const firstPageLimit = 16

// sendPage sends changes of the log. It sets the size of the next page from
// the size of this one: what a slow client holds on to has to stay about as
// small as its feed.
func (s *stream) sendPage(changes []kv.Change) error {
	if len(changes) == 0 {
		return nil
	}
	events := make([]*event, len(changes))
	bytes := 0
	for i := range changes {
		events[i] = newEvent(&changes[i], s.req.Values)
		bytes += len(events[i].frame)
	}
	s.pageLimit = min(max(1, len(events)*s.hub.opts.FeedBytes/bytes), s.hub.opts.FeedEvents)
	return s.send(events)
}

// send writes events and moves the stream's position to the last.
func (s *stream) send(events []*event) error {
	if len(events) == 0 {
		return nil
	}
	if err := s.out.events(events); err != nil {
		return err
	}
	s.hub.metrics.events.Add(float64(len(events)))
	s.position = max(s.position, events[len(events)-1].position)
	return nil
}

// end tells the client why the stream ends, where it can still be told, and
// leaves a trace.
func (s *stream) end(ctx context.Context, err error, lasted time.Duration) {
	var cause *kv.Error
	if errors.As(context.Cause(ctx), &cause) {
		err = cause // whatever it broke on the way
	}
	reason, level := reasonOf(err)
	if reason != reasonGone && reason != reasonWriteTimeout {
		// It is the last word: whether it arrives changes nothing.
		_ = s.out.problem(s.hub.opts.Problem(ctx, kv.AsError(err)))
	}
	s.hub.metrics.ended.WithLabelValues(reason).Inc()
	s.hub.opts.Logger.LogAttrs(ctx, level, "watch stream ended",
		slog.String("reason", reason),
		slog.String("namespace", s.req.Namespace),
		slog.String("remote", s.remote),
		slog.Int64("position", int64(s.position)),
		slog.Duration("lasted", lasted),
		slog.Any("error", err),
	)
}

// Reasons for which a stream ends, beside the codes of problems.
const (
	reasonGone         = "client_gone"
	reasonWriteTimeout = "write_timeout"
	reasonLagging      = "lagging"
	reasonStopping     = "stopping"
)

func reasonOf(err error) (string, slog.Level) {
	var problem *kv.Error
	switch {
	case errors.Is(err, errWriteTimeout):
		return reasonWriteTimeout, slog.LevelWarn
	case errors.Is(err, errBroken):
		return reasonGone, slog.LevelDebug
	case errors.As(err, &problem) && problem == errLagging:
		return reasonLagging, slog.LevelWarn
	case errors.As(err, &problem) && problem == ErrStopping:
		return reasonStopping, slog.LevelInfo
	case problem == nil && errors.Is(err, context.Canceled):
		return reasonGone, slog.LevelDebug
	default:
		return string(kv.CodeOf(err)), slog.LevelInfo
	}
}
