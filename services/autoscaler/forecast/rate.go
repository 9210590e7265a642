// Package forecast says how much load to expect: now, by the trend of the last
// minute, and by the rhythm of the days and weeks before. Rates are per second.
package forecast

import "math"

// ticks is how many observations the rates remember. With one every two
// seconds it is a little more than two minutes.
const ticks = 64

// Confidence, in standard deviations, with which a short window has to lie
// above the long one to be believed, and a slope above zero.
const (
	levelConfidence = 2.5
	slopeConfidence = 2.0
)

// Rate estimates the current rate of arrivals and its trend from the counts of
// short, equal intervals. The zero value is not ready for use.
type Rate struct {
	interval float64 // seconds between observations
	ring     [ticks]float64
	sums     [2 * ticks]float64 // running totals, so that a window is one subtraction
	next     int                // number of observations so far
	total    float64
	disperse float64
}

// NewRate makes an estimator for observations that are interval seconds apart.
func NewRate(interval float64) *Rate { return &Rate{interval: interval, disperse: 1} }

// Add takes the mean rate since the observation before.
func (r *Rate) Add(rate float64) {
	if r.next > 0 {
		r.observeDispersion(r.ring[(r.next-1)%ticks], rate)
	}
	r.ring[r.next%ticks] = rate
	r.total += rate
	r.sums[r.next%(2*ticks)] = r.total
	r.next++
	if r.next%(1<<20) == 0 {
		r.rebase()
	}
}

// rebase keeps the running totals small, and rounding errors with them.
func (r *Rate) rebase() {
	base := r.total
	for i := range r.sums {
		r.sums[i] -= base
	}
	r.total = 0
}

// observeDispersion compares two neighbouring counts. The square of their
// difference over their sum is 1 on average when arrivals are Poisson, whatever
// the level; one jump of the level counts for little.
func (r *Rate) observeDispersion(before, now float64) {
	const weight, most = 1. / 1024, 8
	sum := (before + now) * r.interval
	if sum < 1 {
		return
	}
	difference := (now - before) * r.interval
	r.disperse += weight * (min(difference*difference/sum, most) - r.disperse)
}

// mean is the rate over n observations that ended back observations ago.
func (r *Rate) mean(n, back int) float64 {
	last := r.next - 1 - back
	n = min(n, last+1)
	if n <= 0 {
		return 0
	}
	from := 0.
	if last-n >= 0 {
		from = r.sums[(last-n)%(2*ticks)]
	}
	return max(0, (r.sums[last%(2*ticks)]-from)/float64(n))
}

// Dispersion is the variance of counts over their mean: 1 for Poisson arrivals,
// more for arrivals in bursts. It is never below 1.
func (r *Rate) Dispersion() float64 { return max(1, r.disperse) }

// Deviation is the standard deviation of the count of one second at a rate.
func (r *Rate) Deviation(rate float64) float64 { return math.Sqrt(rate * r.Dispersion()) }

// Level is the rate that has surely been reached: the mean of the last minute,
// or what a shorter window shows beyond its noise.
func (r *Rate) Level() float64 { return r.reached(ticks / 2) }

// Peak is the same for the last quarter of a minute.
func (r *Rate) Peak() float64 { return r.reached(ticks / 8) }

func (r *Rate) reached(window int) float64 {
	level := r.mean(window, 0)
	for n := 1; n < window; n *= 2 {
		mean := r.mean(n, 0)
		if mean <= level {
			continue
		}
		noise := math.Sqrt(mean * r.Dispersion() / (float64(n) * r.interval))
		level = max(level, mean-levelConfidence*noise)
	}
	return level
}

// Slope is by how much the rate surely grows, per second squared. A ramp has
// grown in each part of the last half minute; a step, which has grown in one or
// two of them and is over, has no slope.
func (r *Rate) Slope() float64 {
	const parts, n, least = 4, 5, 0.25
	if r.next < parts*n {
		return 0
	}
	now, first := r.mean(n, 0), r.mean(n, (parts-1)*n)
	seconds := (parts - 1) * n * r.interval
	slope := (now - first) / seconds
	sure := slope - slopeConfidence*math.Sqrt((now+first)*r.Dispersion()/(n*r.interval))/seconds
	if sure <= 0 {
		return 0
	}
	later := now
	for part := 1; part < parts; part++ {
		earlier := r.mean(n, part*n)
		if later-earlier < least*slope*n*r.interval {
			return 0
		}
		later = earlier
	}
	return sure
}

// Trend is the rate to expect after some seconds if it goes on as it does, at
// most twice the rate of now.
func (r *Rate) Trend(seconds float64) float64 {
	level := r.Level()
	slope := r.Slope()
	if slope == 0 {
		return level
	}
	// The mean of five observations is that of the middle one.
	now := max(level, r.mean(5, 0))
	return min(2*now, now+slope*(seconds+2.5*r.interval))
}
