package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// follower looks for changes on behalf of all calls of Await of this process:
// after each pass of its sequencer, and at intervals for those of others. A
// notification of the database would be a global lock at each commit.
type follower struct {
	*lifecycle.Loop

	store  *Store
	kicked chan struct{}

	mu      sync.Mutex
	waiting map[string]map[*waiter]bool // by namespace
}

// waiter is one call of Await.
type waiter struct {
	after   kv.Position
	changed chan struct{} // closed when there is a change behind after
}

func newFollower(s *Store) *follower {
	f := &follower{store: s, kicked: make(chan struct{}, 1), waiting: map[string]map[*waiter]bool{}}
	f.Loop = lifecycle.NewLoop(f.run)
	return f
}

// kick tells that there may be new changes.
func (f *follower) kick() {
	select {
	case f.kicked <- struct{}{}:
	default:
	}
}

// Await implements [kv.Store].
func (s *Store) Await(ctx context.Context, ns string, after kv.Position) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := s.follower.add(ns, after)
	defer s.follower.remove(ns, w)
	s.follower.kick()
	select {
	case <-w.changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
		return errClosed
	}
}

func (f *follower) add(ns string, after kv.Position) *waiter {
	w := &waiter{after: after, changed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting[ns] == nil {
		f.waiting[ns] = map[*waiter]bool{}
	}
	f.waiting[ns][w] = true
	return w
}

func (f *follower) remove(ns string, w *waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting[ns], w)
	if len(f.waiting[ns]) == 0 {
		delete(f.waiting, ns)
	}
}

// run looks for changes while somebody waits.
func (f *follower) run(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.kicked:
		case <-tick.C:
		}
		if err := f.look(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			f.store.metrics.failed("await", err)
			if pause(ctx, lastBackoff) != nil {
				return
			}
		}
	}
}

// look wakes those for whom there is a change.
func (f *follower) look(ctx context.Context) error {
	namespaces, positions := f.wanted()
	if len(namespaces) == 0 {
		return nil
	}
	ctx, cancel := f.store.bounded(ctx)
	defer cancel()
	rows, err := f.store.pool.Query(ctx, sqlChangedNamespaces, namespaces, positions)
	if err != nil {
		return err
	}
	changed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c changedNamespace, err error) {
		err = row.Scan(&c.name, &c.last)
		return c, err
	})
	if err != nil {
		return err
	}
	f.wake(changed)
	return nil
}

// changedNamespace is a namespace with the position of its last change.
type changedNamespace struct {
	name []byte
	last kv.Position
}

// wanted gives the namespaces that are waited for, each with the lowest
// position.
func (f *follower) wanted() (namespaces [][]byte, positions []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ns, waiters := range f.waiting {
		lowest := int64(-1)
		for w := range waiters {
			if lowest < 0 || int64(w.after) < lowest {
				lowest = int64(w.after)
			}
		}
		namespaces, positions = append(namespaces, []byte(ns)), append(positions, lowest)
	}
	return namespaces, positions
}

func (f *follower) wake(changed []changedNamespace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range changed {
		for w := range f.waiting[string(c.name)] {
			if w.after < c.last {
				close(w.changed)
				delete(f.waiting[string(c.name)], w)
			}
		}
	}
}
