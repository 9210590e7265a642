package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// upkeep repeats one task of a [kv.Maintainer].
type upkeep struct {
	name     string
	task     func(ctx context.Context, limit int) (int, error)
	interval time.Duration
	logger   *slog.Logger
	metrics  *metrics
	*condition
}

func newUpkeep(name string, task func(context.Context, int) (int, error), interval time.Duration, logger *slog.Logger, m *metrics) *upkeep {
	return &upkeep{name: name, task: task, interval: interval, logger: logger, metrics: m, condition: &condition{what: name}}
}

// maxUpkeepInterval bounds how much longer the intervals of a task become that
// fails again and again.
const maxUpkeepInterval = time.Minute

// run waits first: a start has better things to do.
func (u *upkeep) run(ctx context.Context) {
	wait := u.interval
	for sleep(ctx, jittered(wait)) {
		n, err := u.attempt(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			u.logger.Error("upkeep of the store failed", "task", u.name, "error", err, "rows", n)
			wait = min(2*wait, max(u.interval, maxUpkeepInterval))
		case n >= upkeepRows:
			wait = 0 // there is more
		default:
			wait = u.interval
		}
	}
}

func (u *upkeep) attempt(ctx context.Context) (int, error) {
	start := time.Now()
	n, err := u.task(ctx, upkeepRows)
	u.metrics.upkeep(u.name, n, err, time.Since(start))
	if ctx.Err() == nil {
		u.set(err)
	}
	return n, err
}

// sleep tells false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jittered spreads a time over 90 to 110 % of it, so that processes that were
// started together do not work in step.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // no secret
}
