package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/policy"
)

// world is a workload whose pods serve 100 requests per second each and need
// a while to start.
type world struct {
	t       *testing.T
	policy  *policy.Policy
	cfg     policy.Config
	startup int // in intervals
	random  *rand.Rand

	second   int64
	size     int
	readyAt  []int // interval by pod
	interval int
	changes  int
}

func newWorld(t *testing.T, change func(*policy.Config)) *world {
	t.Helper()
	cfg := policy.Default()
	cfg.Min, cfg.Max = 2, 100
	if change != nil {
		change(&cfg)
	}
	p, err := policy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, policy: p, cfg: cfg, startup: 10, random: rand.New(rand.NewPCG(1, 2)), size: cfg.Min, readyAt: make([]int, cfg.Min),
		second: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Unix(),
	}
}

// noisy draws around a rate as Poisson arrivals do.
func (w *world) noisy(rate float64) float64 {
	return max(0, rate+w.random.NormFloat64()*w.deviation(rate))
}

func (w *world) deviation(rate float64) float64 {
	d := rate / w.cfg.Interval.Seconds()
	if d <= 0 {
		return 0
	}
	x := d
	for range 20 {
		x = (x + d/x) / 2
	}
	return x
}

func (w *world) ready() int {
	n := 0
	for _, at := range w.readyAt {
		if at <= w.interval {
			n++
		}
	}
	return n
}

// observe gives what would be observed of a rate.
func (w *world) observe(rate float64) *policy.Observation {
	ready := w.ready()
	o := &policy.Observation{
		Seconds: w.second, Replicas: w.size, Ready: ready, Starting: w.size - ready, Scraped: ready, P99: -1,
		Offered: rate, Served: min(rate, 100*float64(ready)),
	}
	o.Utilisation = o.Served / (100 * float64(max(1, ready)))
	for _, at := range w.readyAt {
		if at == w.interval && at > 0 {
			o.Started = append(o.Started, time.Duration(w.startup)*w.cfg.Interval)
		}
	}
	return o
}

// step lets an interval pass with a rate. change, which may be nil, spoils what
// is observed.
func (w *world) step(rate float64, change func(*policy.Observation)) policy.Decision {
	w.t.Helper()
	w.interval++
	w.second += int64(w.cfg.Interval.Seconds())
	o := w.observe(rate)
	if change != nil {
		change(o)
	}
	d := w.policy.Decide(o)
	if d.Replicas != w.size {
		w.changes++
	}
	for len(w.readyAt) < d.Replicas {
		w.readyAt = append(w.readyAt, w.interval+w.startup)
	}
	w.readyAt = w.readyAt[:d.Replicas]
	w.size = d.Replicas
	return d
}

// run lets time pass with Poisson arrivals of a rate.
func (w *world) run(d time.Duration, rate float64) policy.Decision {
	w.t.Helper()
	var last policy.Decision
	for range int(d / w.cfg.Interval) {
		last = w.step(w.noisy(rate), nil)
	}
	return last
}
