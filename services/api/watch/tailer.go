package watch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/trivetkv/trivet/pkg/kv"
)

// tailer reads one namespace's log for all the feeds that are live.
type tailer struct {
	hub       *Hub
	namespace string
	cancel    context.CancelFunc
	feeds     int // that hold the tailer; guarded by hub.mu

	// position is the one up to which every feed has got what it wants.
	position atomic.Int64

	mu    sync.Mutex
	index *index // nil before the first feed and after the end
	ended bool
}

// add makes a feed live. The feed gets what is behind the position that add
// returns and behind at. It is false for a tailer that has ended.
func (t *tailer) add(f *feed, at kv.Position) (kv.Position, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return 0, false
	}
	if t.index == nil {
		t.index = newIndex()
	}
	t.index.add(f)
	from := max(at, kv.Position(t.position.Load()))
	f.from = from // read by push, which is called with mu held
	return from, true
}

func (t *tailer) remove(f *feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.index.remove(f)
	}
}

// run reads the log until ctx ends or the log cannot be read.
func (t *tailer) run(ctx context.Context) {
	err := t.follow(ctx)
	if ctx.Err() != nil {
		err = nil // nobody listens any more
	}
	t.hub.mu.Lock()
	t.hub.forget(t)
	t.hub.mu.Unlock()

	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.index == nil {
		return
	}
	for f := range t.index.all() {
		if errors.Is(err, kv.ErrPositionExpired) {
			// The tailer lagged; each stream finds out by itself where it is.
			f.close(overflowed, nil)
		} else {
			f.close(failed, err)
		}
	}
	t.index = nil
}

func (t *tailer) follow(ctx context.Context) error {
	for {
		after := kv.Position(t.position.Load())
		q := kv.ChangeQuery{After: after, Limit: t.hub.opts.FeedEvents, Values: t.wantsValues(), Following: true}
		page, err := t.hub.read(ctx, t.namespace, q)
		if err != nil {
			return err
		}
		if !t.dispatch(page, q.Values) || page.More {
			continue
		}
		if err := t.await(ctx, page.Next); err != nil {
			return err
		}
	}
}

// await returns when there may be a change, and at every heartbeat, so that
// the position of a quiet namespace moves with the log.
func (t *tailer) await(ctx context.Context, after kv.Position) error {
	return t.hub.persist(ctx, func() error {
		waiting, cancel := context.WithTimeout(ctx, t.hub.opts.Heartbeat)
		defer cancel()
		err := t.hub.store.Await(waiting, t.namespace, after)
		if waiting.Err() != nil {
			return nil // persist tells a heartbeat from the end by ctx
		}
		return err
	})
}

func (t *tailer) wantsValues() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index != nil && t.index.values > 0
}

// dispatch hands a page to the feeds. It is false when the page was read
// without values and a feed that wants them has joined since: it has to be
// read again.
func (t *tailer) dispatch(page kv.ChangePage, withValues bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index != nil {
		if t.index.values > 0 && !withValues {
			return false
		}
		for i := range page.Changes {
			t.deliver(&page.Changes[i])
		}
	}
	t.position.Store(int64(max(page.Next, kv.Position(t.position.Load()))))
	return true
}

// deliver encodes a change once for all the feeds that want it with values,
// and once for those that do not.
func (t *tailer) deliver(c *kv.Change) {
	var with, without *event
	for f := range t.index.matching(c.Key) {
		e := &without
		if f.values {
			e = &with
		}
		if *e == nil {
			*e = newEvent(c, f.values)
		}
		f.push(*e)
	}
	if with != nil || without != nil {
		t.hub.metrics.delay.Observe(max(0, t.hub.opts.Now().Sub(c.At).Seconds()))
	}
}
