package simulator

import (
	"math"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/policy"
)

// neutralTarget is the target at which the service's policy decides by its
// default prices.
const neutralTarget = 0.7

// aim makes a target of what the service's policy is told. It has no target: it
// works out how much load its pods bear. Who asks for less utilisation pays more
// for a miss, and has room for more load besides; who asks for more pays less
// for a miss, but never has fewer pods than the load of now takes.
func aim(cfg *policy.Config, target float64) {
	const miss, margin = 6, 0.5
	cfg.MissCost *= math.Pow(neutralTarget/target, miss)
	cfg.Margin = max(1, math.Pow(neutralTarget/target, margin))
}

// trivet lets the service's own policy decide.
type trivet struct {
	policy   *policy.Policy
	interval int

	observation policy.Observation
	seconds     int
	starts      starts
	size        int
}

// starts tells which pods have become ready, and how long they took.
type starts struct {
	ready   int
	startup time.Duration
	times   []time.Duration
}

// since gives the start-up times of the pods that became ready since the last
// call.
func (s *starts) since(ready int) []time.Duration {
	s.times = s.times[:0]
	for ; s.ready < ready; s.ready++ {
		s.times = append(s.times, s.startup)
	}
	s.ready = ready
	return s.times
}

// Trivet makes the policy of this project. What a pod serves, and how long it
// takes to start, it has to learn: it is told less than the truth of the one
// and a guess of the other.
func Trivet(s Settings) (Policy, error) {
	cfg := policy.Default()
	cfg.Min, cfg.Max = s.Min, s.Max
	cfg.Objective = s.Objective
	cfg.PodRate = 0.7 * s.PodRate
	aim(&cfg, s.Target)
	p, err := policy.New(cfg)
	if err != nil {
		return nil, err
	}
	return &trivet{policy: p, interval: int(cfg.Interval.Seconds()), starts: starts{ready: s.Min, startup: s.Startup}, size: s.Min}, nil
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
	o.Started = t.starts.since(v.Ready)
	decision := t.policy.Decide(o)
	t.size = decision.Replicas
	t.seconds, o.Offered, o.Served, o.Utilisation = 0, 0, 0, 0
	return t.size
}
