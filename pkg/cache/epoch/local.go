package epoch

import (
	"context"
	"sync"
	"time"
)

// Local is a [Store] for a database that one process has to itself: it is in
// memory, and every start of the process is a new epoch.
type Local struct {
	now func() time.Time

	mu     sync.Mutex
	epoch  Epoch
	raised time.Time
	seen   map[string]time.Time // processes that reach the cache
}

// NewLocal makes a store. now is the clock; nil: time.Now. Its first number is
// the time in µs, so that it is above those of earlier starts.
func NewLocal(now func() time.Time) *Local {
	if now == nil {
		now = time.Now
	}
	at := now()
	return &Local{now: now, epoch: Epoch{Number: at.UnixMicro()}, raised: at, seen: map[string]time.Time{}}
}

// PollEpoch implements [Store].
func (l *Local) PollEpoch(_ context.Context, process string, reaches bool) (Epoch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reaches {
		l.seen[process] = l.now()
	} else {
		delete(l.seen, process)
	}
	e := l.stands()
	for other, at := range l.seen {
		switch {
		case l.now().Sub(at) >= SeenWithin:
			delete(l.seen, other)
		case other != process:
			e.Reaching++
		}
	}
	return e, nil
}

// RaiseEpoch implements [Store].
func (l *Local) RaiseEpoch(_ context.Context, from int64, primary string) (Epoch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.Number == from {
		l.epoch = Epoch{Number: from + 1, Primary: primary}
		l.raised = l.now()
	}
	return l.stands(), nil
}

func (l *Local) stands() Epoch {
	e := l.epoch
	e.Age = l.now().Sub(l.raised)
	return e
}
