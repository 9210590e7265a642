package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

const (
	// pollInterval is how often a process looks for what others have done.
	pollInterval = 20 * time.Millisecond

	// passInterval is the least time between two passes that nobody waits for,
	// so that each finds more to do.
	passInterval = 10 * time.Millisecond

	// heartbeat is how often the sequencer's lease is renewed.
	heartbeat = time.Second

	// maxSequenced is how many commits one statement gives positions to.
	maxSequenced = 1000
)

// sequencer gives the changes of committed writes their positions. The process
// that has the lease does so in the background; any process may make a pass when
// a reader has to see what is committed. The lock of the store's row makes
// passes exclusive, so that a lease which two processes believe to have costs
// time and nothing else.
type sequencer struct {
	*lifecycle.Loop

	store  *Store
	lease  *lease
	kicked chan struct{}

	mu      sync.Mutex
	next    *pass // begins when the one that runs has ended
	running bool
}

// pass is a look at everything that was committed before it began.
type pass struct {
	done chan struct{} // closed when head and err stand
	head kv.Position
	err  error
}

func newSequencer(s *Store) *sequencer {
	q := &sequencer{store: s, lease: s.newLease("sequencer"), kicked: make(chan struct{}, 1)}
	q.Loop = lifecycle.NewLoop(q.run)
	return q
}

// kick tells that there is something to do.
func (q *sequencer) kick() {
	select {
	case q.kicked <- struct{}{}:
	default: // it has been told
	}
}

// run keeps the lease, and makes passes while it has it.
func (q *sequencer) run(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var renewed, passed time.Time
	for {
		kicked := false
		select {
		case <-ctx.Done():
			return
		case <-q.kicked:
			kicked = true
		case <-tick.C:
		}
		if time.Since(renewed) >= heartbeat {
			renewed = time.Now()
			if _, err := q.lease.renew(ctx); err != nil && ctx.Err() == nil {
				q.store.log.Warn("the sequencer's lease was not renewed", "error", err)
			}
		}
		if !q.lease.held() {
			continue
		}
		if kicked {
			if pause(ctx, passInterval-time.Since(passed)) != nil {
				return
			}
		} else if head, err := q.readHead(ctx); err != nil || head.lag < 0 {
			continue
		}
		passed = time.Now()
		if _, err := q.catchUp(ctx); err != nil && ctx.Err() == nil {
			q.store.log.Warn("changes got no positions", "error", err)
			if pause(ctx, lastBackoff) != nil {
				return
			}
		}
	}
}

// logHead is how far the change log has come.
type logHead struct {
	position kv.Position
	lag      time.Duration // since the oldest change without a position; -1: none
}

func (q *sequencer) readHead(ctx context.Context) (logHead, error) {
	ctx, cancel := q.store.bounded(ctx)
	defer cancel()
	var head logHead
	var lag int64
	if err := q.store.pool.QueryRow(ctx, sqlHead).Scan(&head.position, &lag); err != nil {
		return logHead{}, err
	}
	head.lag = -1
	if lag >= 0 {
		head.lag = time.Duration(lag) * time.Microsecond
	}
	q.store.metrics.lag(max(head.lag, 0))
	return head, nil
}

// catchUp returns when everything that was committed before the call has a
// position, and gives the last one. Calls at once share a pass.
func (q *sequencer) catchUp(ctx context.Context) (kv.Position, error) {
	q.mu.Lock()
	if q.next == nil {
		q.next = &pass{done: make(chan struct{})}
	}
	p := q.next
	if !q.running {
		q.running = true
		go q.passes()
	}
	q.mu.Unlock()
	select {
	case <-p.done:
		return p.head, p.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// passes makes passes while somebody waits for one.
func (q *sequencer) passes() {
	for {
		q.mu.Lock()
		p := q.next
		q.next = nil
		if p == nil {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		p.err = q.store.persist(time.Now(), func(ctx context.Context) (err error) {
			p.head, err = q.pass(ctx)
			return err
		})
		p.err = databaseError(p.err)
		close(p.done)
		q.store.follower.kick()
	}
}

// pass gives positions to everything that is committed. Nobody sees them before
// they are on disk: a commit that is on disk may not be visible yet, and would
// come between others if a crash undid the pass that could not see it.
//
// Commits are taken in the order of numbers that they drew when they had all
// their locks: of two that wrote one key, or of which the second saw the first,
// the first has the lower one, and when a pass sees the second it sees the first.
func (q *sequencer) pass(ctx context.Context) (kv.Position, error) {
	conn, err := q.store.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	for {
		var head kv.Position
		var taken int64
		batch := &pgx.Batch{}
		batch.Queue(sqlBegin)
		batch.Queue(sqlLockStore)
		batch.Queue(sqlSequence, maxSequenced, micros(kv.DefaultRetention)).QueryRow(func(row pgx.Row) error {
			return row.Scan(&head, &taken)
		})
		batch.Queue(sqlCommit)
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			return 0, errors.Join(err, rollback(ctx, conn.Conn()))
		}
		if taken < maxSequenced {
			return head, nil
		}
	}
}

// rollback ends a transaction that has failed, or the connection with it.
func rollback(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() {
		return nil
	}
	if _, err := conn.Exec(context.WithoutCancel(ctx), sqlRollback); err != nil {
		return conn.Close(ctx) // the pool makes another
	}
	return nil
}

// upToDate gives the head of the change log once all that is committed has a
// position.
func (s *Store) upToDate(ctx context.Context) (kv.Position, error) {
	head, err := s.head(ctx)
	if err != nil || head.lag < 0 {
		return head.position, err
	}
	return s.sequencer.catchUp(ctx)
}

func (s *Store) head(ctx context.Context) (head logHead, err error) {
	err = s.read(ctx, "head", func(ctx context.Context) (err error) {
		head, err = s.sequencer.readHead(ctx)
		return err
	})
	return head, err
}

// Head implements [kv.Store].
func (s *Store) Head(ctx context.Context) (kv.Position, error) { return s.upToDate(ctx) }
