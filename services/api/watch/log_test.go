package watch_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// memoryLog is a change log that fails, forgets and stalls when a test says
// so, and that waits on channels only, as testing/synctest needs it.
type memoryLog struct {
	kv.Store // nil: a hub reads the log and nothing else

	mu      sync.Mutex
	rows    []row
	floor   kv.Position // nothing below it is there any more
	changed chan struct{}
	failure error // of every read
	reads   int   // of pages
}

type row struct {
	namespace string
	change    kv.Change
}

func newMemoryLog() *memoryLog { return &memoryLog{changed: make(chan struct{})} }

// write appends changes at the next positions and gives the last of them.
func (l *memoryLog) write(namespace string, changes ...kv.Change) kv.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		c.Position = kv.Position(len(l.rows) + 1)
		c.Version = kv.Version(c.Position)
		c.At = time.UnixMilli(1_700_000_000_000 + int64(c.Position))
		l.rows = append(l.rows, row{namespace, c})
	}
	l.wake()
	return kv.Position(len(l.rows))
}

func put(key, value string) kv.Change {
	return kv.Change{Kind: kv.ChangePut, Key: key, Value: []byte(value)}
}

// expire removes what is not behind a position.
func (l *memoryLog) expire(floor kv.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = floor
}

// fail makes every read fail until it is called with nil.
func (l *memoryLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
	l.wake()
}

func (l *memoryLog) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *memoryLog) pagesRead() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

func (l *memoryLog) Head(context.Context) (kv.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return kv.Position(len(l.rows)), l.failure
}

func (l *memoryLog) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	switch {
	case ctx.Err() != nil:
		return kv.ChangePage{}, ctx.Err()
	case l.failure != nil:
		return kv.ChangePage{}, l.failure
	case q.After < l.floor:
		return kv.ChangePage{}, kv.ErrPositionExpired
	}
	page := kv.ChangePage{Next: q.After}
	for _, r := range l.rows[min(int(q.After), len(l.rows)):] {
		if r.namespace == ns && strings.HasPrefix(r.change.Key, q.Prefix) {
			if len(page.Changes) == q.Limit {
				page.More = true
				return page, nil
			}
			c := r.change
			if !q.Values {
				c.Value = nil
			}
			page.Changes = append(page.Changes, c)
		}
		page.Next = r.change.Position
	}
	return page, nil
}

func (l *memoryLog) Await(ctx context.Context, ns string, after kv.Position) error {
	for {
		l.mu.Lock()
		failure, changed := l.failure, l.changed
		found := false
		for _, r := range l.rows[min(int(after), len(l.rows)):] {
			found = found || r.namespace == ns
		}
		after = max(after, kv.Position(len(l.rows)))
		l.mu.Unlock()
		if found || failure != nil {
			return failure
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
