package simulator

import (
	"math"

	"github.com/trivetkv/trivet/services/autoscaler/queueing"
)

// model is what pods do with what arrives.
type model interface {
	reset()
	step(pods int, arrivals float64) second
	waiting() float64
}

// line is the model of pods that answer requests: one line of requests, first come first served,
// before all ready pods, each an exponential server.
type line struct {
	rate, timeout float64
	backlog       float64

	// What M/M/c says by number of pods and arrivals of a second, worked out
	// once: it is the same for every second and every policy.
	cache [][]steady
}

// steady is the steady state of M/M/c: the latency of 99 % of requests in
// seconds, and how many wait.
type steady struct{ p99, waiting float32 }

// second is what happened in one.
type second struct {
	served, dropped float64
	p99             float64 // seconds, the time-out of requests at most
	inSystem        float64 // being served or waiting, on average
	utilisation     float64 // of the ready pods
}

func newLine(rate, timeout float64) *line { return &line{rate: rate, timeout: timeout} }

func (l *line) reset() { l.backlog = 0 }

func (l *line) waiting() float64 { return l.backlog }

// step lets arrivals come to the pods that are ready.
func (l *line) step(pods int, arrivals float64) second {
	capacity := float64(pods) * l.rate
	before := l.backlog
	work := before + arrivals
	served := min(work, capacity)
	after := work - served
	s := second{served: served, p99: l.timeout}
	// What would wait for longer than the time-out has given up by then.
	if most := capacity * l.timeout; after > most {
		s.dropped, after = after-most, most
	}
	l.backlog = after
	if pods == 0 {
		s.inSystem = after
		return s
	}
	s.utilisation = served / capacity
	s.inSystem = served/l.rate + (before+after)/2
	if arrivals < capacity {
		state := l.steady(pods, int(arrivals))
		s.p99 = min(l.timeout, float64(state.p99)+before/capacity)
		s.inSystem += float64(state.waiting)
	}
	return s
}

func (l *line) steady(pods, arrivals int) steady {
	for len(l.cache) <= pods {
		l.cache = append(l.cache, nil)
	}
	if l.cache[pods] == nil {
		l.cache[pods] = make([]steady, int(math.Ceil(float64(pods)*l.rate))+1)
	}
	state := &l.cache[pods][arrivals]
	if state.p99 == 0 {
		*state = steady{
			p99:     float32(queueing.Quantile(pods, l.rate, float64(arrivals), 0.99)),
			waiting: float32(queueing.Waiting(pods, l.rate, float64(arrivals))),
		}
	}
	return *state
}
