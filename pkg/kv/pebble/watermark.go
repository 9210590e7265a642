package pebble

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// watermark is a number that only rises, and that callers can wait for.
type watermark struct {
	value atomic.Int64

	mu      sync.Mutex
	changed chan struct{} // closed at the next rise; nil while nobody waits
	err     error         // once it will not rise again
}

func (w *watermark) load() int64 { return w.value.Load() }

// raise sets the number, which only one goroutine may do.
func (w *watermark) raise(to int64) {
	w.value.Store(to)
	w.wake(nil)
}

// fail lets all who wait, now or later, for more than the number go with err.
func (w *watermark) fail(err error) { w.wake(err) }

func (w *watermark) wake(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// errStopped says that a wait was ended by its stop channel.
var errStopped = errors.New("the wait was stopped")

// wait returns once the number is at least n.
func (w *watermark) wait(ctx context.Context, n int64, stop <-chan struct{}) error {
	for w.value.Load() < n {
		w.mu.Lock()
		if w.value.Load() >= n {
			w.mu.Unlock()
			return nil
		}
		if w.err != nil {
			w.mu.Unlock()
			return w.err
		}
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-stop:
			return errStopped
		}
	}
	return nil
}
