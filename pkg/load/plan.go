package load

import (
	"sync/atomic"
	"time"
)

// plan hands out the run's requests. Workers take them in order, so that a
// request which is due waits for the first connection that comes free.
type plan struct {
	start    time.Time
	interval float64 // between requests, in nanoseconds; 0: a closed loop
	count    int64   // requests at most
	stop     time.Time
	giveUp   time.Time // open loop: what was not sent by then never is
	taken    atomic.Int64
}

const unlimited = int64(1)<<62 - 1

func newPlan(o Options, start time.Time) *plan {
	p := &plan{start: start, count: unlimited}
	if o.Count > 0 {
		p.count = o.Count
	}
	if o.Duration > 0 {
		p.stop = start.Add(o.Duration)
	}
	if o.Rate > 0 {
		p.interval = float64(time.Second) / o.Rate
		p.count = min(p.count, int64(o.Rate*o.Duration.Seconds()))
		p.giveUp = p.stop.Add(o.Timeout)
	}
	return p
}

func (p *plan) open() bool { return p.interval > 0 }

// next takes a request and gives the time at which it is due, or false at the
// end of the plan.
func (p *plan) next(now time.Time) (due time.Time, ok bool) {
	if !p.open() && !p.stop.IsZero() && now.After(p.stop) {
		return now, false
	}
	n := p.taken.Add(1) - 1
	if n >= p.count {
		return now, false
	}
	if p.open() {
		return p.start.Add(time.Duration(float64(n) * p.interval)), true
	}
	return now, true
}
