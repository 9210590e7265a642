package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"
)

// worker sends requests over one connection, one after another.
type worker struct {
	conn conn
	pace *pacer // of an open loop
	mix  Mix
	rng  *rand.Rand
	out  *shard
}

func (w *worker) interrupt() {
	w.conn.interrupt()
	if w.pace != nil {
		w.pace.interrupt()
	}
}

func (w *worker) run(ctx context.Context, p *plan) {
	var req Request
	now := time.Now()
	for ctx.Err() == nil {
		due, ok := p.next(now)
		if !ok {
			return
		}
		if p.open() {
			now = w.pace.until(due)
			if ctx.Err() != nil {
				return
			}
		}
		req.reset()
		w.mix(&req, w.rng)
		if p.open() && now.After(p.giveUp) {
			w.out.fail(req.Kind, Unsent, now.Sub(due))
			continue
		}
		now = w.send(ctx, &req, due, now)
	}
}

// send makes one request and records what came of it.
func (w *worker) send(ctx context.Context, req *Request, due, now time.Time) (end time.Time) {
	if !w.conn.connected() {
		if err := w.conn.dial(ctx); err != nil {
			w.out.fail(req.Kind, w.failure(ctx, err, Connect), time.Since(due))
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
			return time.Now()
		}
		now = time.Now()
	}
	res, err := w.conn.do(req, now)
	end = time.Now()
	switch {
	case err != nil:
		w.out.fail(req.Kind, w.failure(ctx, err, Broken), end.Sub(due))
	case !req.expects(res.status):
		w.out.fail(req.Kind, statusFailure(res.status), end.Sub(due))
	default:
		w.out.ok(req.Kind, res.body, end.Sub(due))
	}
	return end
}

func (w *worker) failure(ctx context.Context, err error, otherwise Failure) Failure {
	switch {
	case ctx.Err() != nil:
		return Canceled
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, errProtocol):
		return Protocol
	default:
		return otherwise
	}
}
