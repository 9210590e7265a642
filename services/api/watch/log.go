package watch

import (
	"context"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	firstPause = 50 * time.Millisecond // before a failed read of the log is repeated
	lastPause  = time.Second
)

// read reads a page of the log, again while the store fails, but not for
// longer than its patience: a store that fails over in a moment must not make
// thousands of clients reconnect.
func (h *Hub) read(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	var page kv.ChangePage
	err := h.persist(ctx, func() (err error) {
		page, err = h.store.Changes(ctx, ns, q)
		return err
	})
	return page, err
}

// persist repeats a call of the store while it fails in a way that may pass.
func (h *Hub) persist(ctx context.Context, call func() error) error {
	var deadline <-chan time.Time
	pause := firstPause
	for {
		err := call()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil || !mayPass(err) {
			return err
		}
		if deadline == nil {
			timer := time.NewTimer(h.opts.StorePatience)
			defer timer.Stop()
			deadline = timer.C
			h.opts.Logger.Warn("the change log cannot be read; trying again", "error", err)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		case <-deadline:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func mayPass(err error) bool {
	switch kv.CodeOf(err) {
	case kv.CodeUnavailable, kv.CodeOverloaded, kv.CodeTimeout, kv.CodeInternal:
		return true
	}
	return false
}
