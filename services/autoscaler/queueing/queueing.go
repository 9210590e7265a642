// Package queueing has the formulas of M/M/c: Poisson arrivals that wait in
// one line for c servers with exponential service times. Rates are per second,
// times in seconds.
package queueing

import "math"

// WaitProbability is Erlang's C: the share of arrivals that find all servers
// busy, where load is the arrival rate divided by the rate of one server.
func WaitProbability(servers int, load float64) float64 {
	if load <= 0 {
		return 0
	}
	c := float64(servers)
	if load >= c {
		return 1
	}
	blocked := 1.0 // Erlang's B, by its recursion over the servers
	for k := 1.0; k <= c; k++ {
		blocked = load * blocked / (k + load*blocked)
	}
	return blocked / (1 - load/c*(1-blocked))
}

// Waiting is the mean number of arrivals in the line, not counting those being
// served; infinite when the servers cannot keep up.
func Waiting(servers int, rate, arrivals float64) float64 {
	utilisation := arrivals / (float64(servers) * rate)
	if utilisation >= 1 {
		return math.Inf(1)
	}
	return WaitProbability(servers, arrivals/rate) * utilisation / (1 - utilisation)
}

// Exceeds is the share of arrivals whose wait and service together take longer
// than t.
func Exceeds(servers int, rate, arrivals, t float64) float64 {
	load := arrivals / rate
	if load >= float64(servers) {
		return 1
	}
	return exceeds(WaitProbability(servers, load), float64(servers)-1-load, rate*t)
}

// exceeds is the tail of the sojourn time: wait is Erlang's C, spare is
// c - 1 - load, and x the time in units of the mean service time.
func exceeds(wait, spare, x float64) float64 {
	if math.Abs(spare) < 1e-9 {
		return math.Exp(-x) * (1 + wait*x)
	}
	return math.Exp(-x)*(1+wait/spare) - wait/spare*math.Exp(-x*(1+spare))
}

// Quantile is the time within which a share of the arrivals is served, such as
// 0.99; infinite when the servers cannot keep up.
func Quantile(servers int, rate, arrivals, share float64) float64 {
	load := arrivals / rate
	if load >= float64(servers) {
		return math.Inf(1)
	}
	wait, spare := WaitProbability(servers, load), float64(servers)-1-load
	// Both parts of the sum, line and service, have exponential tails; the
	// slower of them bounds the quantile.
	high := -2 * math.Log((1-share)/4) / math.Min(1, 1+spare)
	return bisect(0, high, func(x float64) bool { return exceeds(wait, spare, x) <= 1-share }) / rate
}

// Limit is the largest arrival rate at which a share of the arrivals is served
// within t; 0 when even an idle server takes longer.
func Limit(servers int, rate, t, share float64) float64 {
	if math.Exp(-rate*t) > 1-share {
		return 0
	}
	return bisect(float64(servers), 0, func(load float64) bool {
		return Exceeds(servers, 1, load, rate*t) <= 1-share
	}) * rate
}

// bisect finds where a condition begins to hold between a value at which it
// does not and one at which it does.
func bisect(fails, holds float64, condition func(float64) bool) float64 {
	for range 50 {
		middle := (fails + holds) / 2
		if condition(middle) {
			holds = middle
		} else {
			fails = middle
		}
	}
	return holds
}
