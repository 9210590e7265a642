package pebble

import (
	"context"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Bounds of the commit pipeline.
const (
	maxGroupRequests = 1024     // in one batch
	maxGroupBytes    = 4 << 20  // in one batch, unless one request has more
	maxInFlight      = 4        // batches that are written and not yet synced
	maxQueuedBytes   = 64 << 20 // of requests that wait or are under way
	minRequestCost   = 256      // bytes that a request counts for, so that their number is bounded too
)

// request is a function of the caller that the committer runs.
type request struct {
	ctx  context.Context
	cost int64
	run  func(*builder) error
	err  error
	done chan struct{}
}

// group is a batch on its way to the disk and the requests in it.
type group struct {
	rows     *pebble.Batch // nil when the requests changed nothing
	head     head
	requests []*request
	touched  []string // namespaces that have new changes
	began    time.Time
}

// commit runs a function in the committer and returns once what it changed,
// and all that it may have seen, is durable. cost estimates the rows that it
// writes, in bytes. When ctx ends first, the function may or may not have been
// run.
func (s *Store) commit(ctx context.Context, cost int64, run func(*builder) error) error {
	if err := s.space.check(false); err != nil {
		return err
	}
	return s.submit(ctx, cost, run)
}

// commitFreeing is commit for what frees space in the end.
func (s *Store) commitFreeing(ctx context.Context, run func(*builder) error) error {
	if err := s.space.check(true); err != nil {
		return err
	}
	return s.submit(ctx, 0, run)
}

func (s *Store) submit(ctx context.Context, cost int64, run func(*builder) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	full := s.disk.stuck()
	select {
	case <-s.failed:
		return s.Err()
	case <-full:
		return diskFull("a write to %s waits for space; this one was not begun", s.dir)
	default:
	}
	cost = min(max(cost, minRequestCost), maxQueuedBytes)
	if err := s.memory.Acquire(ctx, cost); err != nil {
		return err
	}
	r := &request{ctx: ctx, cost: cost, run: run, done: make(chan struct{})}
	if !s.queue.push(r) {
		s.memory.Release(cost)
		return errClosed
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	case <-full:
		return diskFull("this write is made once there is space in %s, unless the process ends before", s.dir)
	case <-s.failed:
		return s.Err()
	}
}

// queue holds requests in the order of their arrival.
type queue struct {
	mu       sync.Mutex
	requests []*request
	closed   bool
	wake     chan struct{}
}

func (q *queue) init() { q.wake = make(chan struct{}, 1) }

// push tells whether the queue still takes requests.
func (q *queue) push(r *request) bool {
	q.mu.Lock()
	closed := q.closed
	if !closed {
		q.requests = append(q.requests, r)
	}
	q.mu.Unlock()
	q.signal()
	return !closed
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for requests and appends as many as one batch may hold to buf. It
// gives none when the queue is closed and empty.
func (q *queue) take(buf []*request) []*request {
	for {
		q.mu.Lock()
		n, bytes := 0, int64(0)
		for n < len(q.requests) && n < maxGroupRequests && (n == 0 || bytes+q.requests[n].cost <= maxGroupBytes) {
			bytes += q.requests[n].cost
			n++
		}
		buf = append(buf, q.requests[:n]...)
		rest := copy(q.requests, q.requests[n:])
		clear(q.requests[rest:])
		q.requests = q.requests[:rest]
		closed := q.closed
		q.mu.Unlock()
		if n > 0 || closed {
			return buf
		}
		<-q.wake
	}
}

// start starts the committer, which builds batches, and the syncer, which
// waits for them to reach the disk and answers.
func (s *Store) start(b *builder) {
	groups := make(chan *group, maxInFlight-1)
	go func() {
		defer close(groups)
		for {
			requests := s.queue.take(nil)
			if len(requests) == 0 {
				return
			}
			groups <- s.build(b, requests)
		}
	}()
	go func() {
		defer close(s.stopped)
		for g := range groups {
			s.sync(g)
		}
	}()
}

// build runs requests in their order and gives the batch to pebble. From then
// on reads see it.
func (s *Store) build(b *builder, requests []*request) *group {
	g := &group{requests: requests, began: time.Now()}
	b.begin()
	for _, r := range requests {
		if r.err = r.ctx.Err(); r.err == nil {
			r.err = s.Err()
		}
		if r.err == nil {
			r.err = b.run(r.run)
		}
	}
	g.rows = b.finish()
	g.head = b.head
	if g.rows == nil {
		return g
	}
	g.touched = b.touched()
	s.applied.Store(g.head.sequence)
	if err := s.db.ApplyNoSyncWait(g.rows, pebble.Sync); err != nil {
		s.fail(err)
	}
	return g
}

// sync waits for a batch to reach the disk and answers its requests. Groups
// come in order, so that one without rows answers after everything it saw.
func (s *Store) sync(g *group) {
	if g.rows != nil && s.Err() == nil {
		if err := g.rows.SyncWait(); err != nil {
			s.fail(err)
		}
	}
	failure := s.Err()
	if g.rows != nil && failure == nil {
		_ = g.rows.Close() // puts it back into a pool
		s.committed.record(g.head)
		s.sequence.raise(g.head.sequence)
		s.position.raise(int64(g.head.position))
		s.waiters.notify(g.touched)
		s.metrics.committed(len(g.requests), time.Since(g.began))
	}
	for _, r := range g.requests {
		if failure != nil {
			r.err = failure
		}
		s.memory.Release(r.cost)
		close(r.done)
	}
}

// touched lists the namespaces in which the batch changed keys.
func (b *builder) touched() []string {
	var names []string
	for i := range b.mutations {
		if ns := b.mutations[i].ns; len(names) == 0 || names[len(names)-1] != ns {
			names = append(names, ns)
		}
	}
	return names
}
