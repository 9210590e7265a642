package cached

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// flights lets concurrent misses of one key share a read of the database.
//
// A reader must not be answered from a database read that began before a write
// which was acknowledged before the reader began. Two rules keep that:
//
//   - Under a lease, a reader may join a flight at any time, if its own step
//     Read, made after it began, found the flight's lease standing. The lease
//     was given out before the flight read the database, and every write removes
//     the standing lease in its Begin and again in its Finish, which comes before
//     its acknowledgement. So a write that was committed after the flight's
//     database read and acknowledged before the reader began would have removed
//     the lease in between. By the same argument whoever finds a lease standing
//     may read the database and fill under it: nothing is left undone when the
//     reader to whom it was given fails or goes.
//   - Without a lease, while a write is under way, nothing tells what happened
//     since a flight began. A reader then joins only a flight that has not begun
//     to read. There is at most one of these for a key, and it waits for the one
//     that is reading, so that a busy key costs one database read at a time.
//
// A flight runs on a context of its own: it outlives the caller that started
// it, and is cancelled when its last caller has left. One that was cancelled
// can no longer be joined.
type flights struct {
	read    readFunc
	timeout time.Duration
	shared  func() // called for each caller that joins another's flight

	mu      sync.Mutex
	open    map[route]*flight     // may be joined
	reading map[cache.Key]*flight // without a lease: reads now
}

type readFunc func(ctx context.Context, key cache.Key, lease cache.Lease) (kv.Entry, error)

type route struct {
	key   cache.Key
	lease cache.Lease
}

type flight struct {
	route   route
	before  *flight // without a lease: the one to wait for
	cancel  context.CancelFunc
	callers int // guarded by flights.mu, as is settled
	settled bool

	done  chan struct{} // closed once entry and err stand
	entry kv.Entry
	err   error
}

func newFlights(read readFunc, timeout time.Duration, shared func()) *flights {
	return &flights{
		read: read, timeout: timeout, shared: shared,
		open: map[route]*flight{}, reading: map[cache.Key]*flight{},
	}
}

// join answers from a flight under the lease that stands, 0 for none. The end
// of a caller's context is an error of that caller alone.
func (g *flights) join(ctx context.Context, key cache.Key, lease cache.Lease) (kv.Entry, error) {
	if err := ctx.Err(); err != nil {
		return kv.Entry{Key: key.Key}, kv.AsError(err)
	}
	f := g.board(ctx, route{key, lease})
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		g.leave(f)
		return kv.Entry{Key: key.Key}, kv.AsError(ctx.Err())
	}
}

func (g *flights) board(ctx context.Context, r route) *flight {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.open[r]; f != nil {
		f.callers++
		g.shared()
		return f
	}
	f := &flight{route: r, callers: 1, done: make(chan struct{})}
	ctx, f.cancel = context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	if r.lease == 0 {
		f.before = g.reading[r.key]
	}
	g.open[r] = f
	go g.run(ctx, f)
	return f
}

// leave cancels the flight when nobody waits for it any longer.
func (g *flights) leave(f *flight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f.callers--
	if f.callers == 0 {
		g.settle(f, kv.Entry{}, context.Canceled)
	}
}

func (g *flights) run(ctx context.Context, f *flight) {
	entry, err := g.fly(ctx, f)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(f, entry, err)
}

func (g *flights) fly(ctx context.Context, f *flight) (entry kv.Entry, err error) {
	// On this goroutine a panic would end the process, where a server answers
	// one of its handler's with an error.
	defer func() {
		if r := recover(); r != nil {
			err = kv.AsError(fmt.Errorf("read the database: panic: %v\n%s", r, debug.Stack()))
		}
	}()
	if f.route.lease == 0 {
		if err := g.takeTurn(ctx, f); err != nil {
			return kv.Entry{Key: f.route.key.Key}, kv.AsError(err)
		}
	}
	return g.read(ctx, f.route.key, f.route.lease)
}

// takeTurn waits for the flight before this one, and closes this one to others.
func (g *flights) takeTurn(ctx context.Context, f *flight) error {
	if f.before != nil {
		select {
		case <-f.before.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f.before = nil
	if f.settled {
		return context.Canceled
	}
	delete(g.open, f.route)
	g.reading[f.route.key] = f
	return nil
}

// settle ends a flight, once; g.mu is held.
func (g *flights) settle(f *flight, entry kv.Entry, err error) {
	if f.settled {
		return
	}
	f.settled = true
	f.entry, f.err = entry, err
	f.cancel()
	if g.open[f.route] == f {
		delete(g.open, f.route)
	}
	if g.reading[f.route.key] == f {
		delete(g.reading, f.route.key)
	}
	close(f.done)
}
