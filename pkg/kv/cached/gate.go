package cached

import (
	"context"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// gate bounds how many reads the database gets at a time that the cache cannot
// help with, so that a cache that is lost does not take the database with it.
type gate struct {
	slots chan struct{}
	wait  time.Duration
	full  func() // called for each read that is turned away
}

func newGate(slots int, wait time.Duration, full func()) *gate {
	return &gate{make(chan struct{}, slots), wait, full}
}

// enter waits for a slot: not longer than the context lasts, and not so long
// that a queue of callers who gave up would build.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(g.wait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return kv.AsError(ctx.Err())
	case <-timer.C:
		g.full()
		return &kv.Error{
			Code:       kv.CodeOverloaded,
			Detail:     "the cache is out of reach, and as many reads as the database is given are waiting",
			RetryAfter: g.wait,
		}
	}
}

func (g *gate) leave() { <-g.slots }
