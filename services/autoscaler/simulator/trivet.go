package simulator

import (
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/policy"
)

// neutralTarget is the target at which the service's policy decides by its
// prices alone. A lower one multiplies the load that it provides for.
const neutralTarget = 0.7

// trivet lets the service's own policy decide.
type trivet struct {
	policy   *policy.Policy
	interval int

	observation policy.Observation
	seconds     int
	ready       int
	startup     time.Duration
	started     []time.Duration
	size        int
}

// Trivet makes the policy of this project. What a pod serves, and how long it
// takes to start, it has to learn: it is told less than the truth of the one
// and a guess of the other.
func Trivet(s Settings) (Policy, error) {
	cfg := policy.Default()
	cfg.Min, cfg.Max = s.Min, s.Max
	cfg.Objective = s.Objective
	cfg.PodRate = 0.7 * s.PodRate
	cfg.Margin = neutralTarget / s.Target
	p, err := policy.New(cfg)
	if err != nil {
		return nil, err
	}
	return &trivet{policy: p, interval: int(cfg.Interval.Seconds()), startup: s.Startup, ready: s.Min, size: s.Min}, nil
}

func (t *trivet) Step(v *View) int {
	o := &t.observation
	o.Offered += v.Arrivals
	o.Served += v.Served
	o.Utilisation += v.Utilisation
	t.seconds++
	if t.seconds < t.interval {
		return t.size
	}
	n := float64(t.seconds)
	o.Offered, o.Served, o.Utilisation = o.Offered/n, o.Served/n, o.Utilisation/n
	o.Seconds = int64(v.Second) + 1
	o.Replicas, o.Ready, o.Starting, o.Scraped = v.Replicas, v.Ready, v.Replicas-v.Ready, v.Ready
	o.Waiting, o.P99 = v.Waiting, v.P99
	o.Started = t.started[:0]
	for ; t.ready < v.Ready; t.ready++ {
		o.Started = append(o.Started, t.startup)
	}
	t.ready, t.started = v.Ready, o.Started
	decision := t.policy.Decide(o)
	t.size = decision.Replicas
	t.seconds, o.Offered, o.Served, o.Utilisation = 0, 0, 0, 0
	return t.size
}
