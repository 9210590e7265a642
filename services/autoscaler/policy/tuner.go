package policy

import (
	"github.com/trivetkv/trivet/services/autoscaler/forecast"
)

// A stance is how careful to be: how much headroom to keep above what is
// expected, how long to remember a peak, which rhythm to believe in.
type stance struct {
	headroom float64
	hold     int // index into forecast.Holds
	rhythm   forecast.Rhythm
}

var headrooms = [...]float64{0, 0.1, 0.25, 0.5, 1}

// initial is the stance until others have proved to be cheaper: 10 % headroom,
// five minutes, no rhythm.
const initial = 1*len(forecast.Holds)*forecast.Rhythms + 1*forecast.Rhythms

var stances = func() []stance {
	var all []stance
	for _, headroom := range headrooms {
		for hold := range forecast.Holds {
			for rhythm := forecast.None; rhythm < forecast.Rhythms; rhythm++ {
				all = append(all, stance{headroom, hold, rhythm})
			}
		}
	}
	return all
}()

// tuner finds the stance that suits a workload. The load does not depend on how
// many pods there are, so it can work out for each stance what it would have
// cost so far: the pods that it would have run, and the seconds in which those
// that were ready, a lead time after they were asked for, would have been too
// few. The cheapest one decides.
type tuner struct {
	shadows []shadow
	costs   []float64 // pod-seconds
	seconds float64   // that the costs are of
	chosen  int
}

// shadow is a workload as it would be under a stance.
type shadow struct {
	pods  int // at its last change
	ready lowest
}

func newTuner() *tuner {
	t := &tuner{shadows: make([]shadow, len(stances)), costs: make([]float64, len(stances)), chosen: initial}
	return t
}

// prices are what a stance is charged, beside the pods that it runs.
type prices struct {
	miss   float64 // pod-seconds for a second with too few pods
	change float64 // seconds of the whole size for a change of it
}

// changeParts of the size have to change before it counts as a change: the
// last pods come and go with the noise, which the real size ignores.
const changeParts = 7

const (
	// halfLife of what was learned, in seconds.
	halfLife = 7. * 24 * 3600
	// enough seconds have to be known before a stance is changed.
	enough = 6 * 3600
	// better is by how much another stance has to be cheaper to be chosen.
	better = 0.98
)

// tune charges each stance for an interval in which rate was offered, and lets
// it decide anew. demand gives the load that a stance provides for.
func (t *tuner) tune(tick int64, lead int, rate, interval float64, prices prices, plan *staffing, least, most int, demand func(*stance) float64) {
	for i := range t.shadows {
		s := &t.shadows[i]
		pods := plan.pods(demand(&stances[i]), most)
		if pods < least {
			pods = least
		}
		cost := float64(pods)
		ready := s.ready.add(tick, pods, lead)
		if rate > plan.limit(ready) {
			cost += prices.miss
		}
		t.costs[i] += cost * interval
		if change := pods - s.pods; change > s.pods/changeParts || -change > s.pods/changeParts {
			t.costs[i] += prices.change * float64(max(pods, s.pods))
			s.pods = pods
		}
	}
	t.seconds += interval
}

// choose takes the cheapest stance; forget is the share of the past that still
// counts.
func (t *tuner) choose(forget float64) {
	for i := range t.costs {
		t.costs[i] *= forget
	}
	t.seconds *= forget
	if t.seconds < enough {
		return
	}
	best := t.chosen
	for i, cost := range t.costs {
		if cost < t.costs[best] {
			best = i
		}
	}
	if t.costs[best] < better*t.costs[t.chosen] {
		t.chosen = best
	}
}

func (t *tuner) stance() *stance { return &stances[t.chosen] }

// lowest is the smallest value of a sliding window: what a lead time ago was
// asked for and has been since is ready now. It keeps the values that may still
// become the smallest, in order.
type lowest struct {
	ticks  [lowestKept]int64
	values [lowestKept]int
	head   int
	length int
}

const lowestKept = 256

// add takes a value at a tick and gives the smallest within the window.
func (l *lowest) add(tick int64, value, window int) int {
	for l.length > 0 && l.values[(l.head+l.length-1)%lowestKept] >= value {
		l.length--
	}
	if l.length == lowestKept {
		l.head = (l.head + 1) % lowestKept
		l.length--
	}
	last := (l.head + l.length) % lowestKept
	l.ticks[last], l.values[last] = tick, value
	l.length++
	for l.ticks[l.head] < tick-int64(window) {
		l.head = (l.head + 1) % lowestKept
		l.length--
	}
	return l.values[l.head]
}
