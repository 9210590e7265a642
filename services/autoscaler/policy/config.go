// Package policy decides how many pods a workload needs. It is pure: what was
// observed goes in, a decision with its explanation comes out; it reads no
// clock and talks to nobody. The service and the simulator run the same code.
package policy

import (
	"errors"
	"fmt"
	"time"
)

// Config is what the owner of a workload says about it.
type Config struct {
	Min, Max int

	// Objective is the latency that 99 % of requests have to meet.
	Objective time.Duration
	// Interval is the time between observations.
	Interval time.Duration

	// PodRate is the requests per second that one pod is assumed to serve
	// before it has been measured; what is measured stays within LeastRate and
	// MostRate.
	PodRate, LeastRate, MostRate float64
	// Startup is how long a pod is assumed to need until it is ready, before
	// it has been measured.
	Startup time.Duration

	// MissCost is how much a second outside the objective may cost to avoid,
	// in pods running for a second. It is the one price that headroom, holding
	// and forecasts are chosen by.
	MissCost float64
	// ChangeCost is how much a change of the size may cost to avoid, in seconds
	// of running all its pods: starting, warming up and draining are not free.
	ChangeCost float64
	// Margin multiplies the load that pods are provided for; 1 is neutral.
	Margin float64

	// Ceilings are further limits by what is behind the workload, such as the
	// connections that a database takes, with the reason for people.
	Ceilings []Ceiling
	// OutageHold is for how long the size is kept when the load vanishes
	// suddenly.
	OutageHold time.Duration
}

// Ceiling is a largest number of pods and why there may be no more.
type Ceiling struct {
	Pods   int
	Reason string
}

// Default gives a configuration with the values that suit most services.
func Default() Config {
	return Config{
		Min: 2, Max: 20,
		Objective:  100 * time.Millisecond,
		Interval:   2 * time.Second,
		PodRate:    100,
		LeastRate:  1,
		MostRate:   1e6,
		Startup:    30 * time.Second,
		MissCost:   150,
		ChangeCost: 18,
		Margin:     1,
		OutageHold: 30 * time.Minute,
	}
}

// Check refuses what cannot be meant.
func (c Config) Check() error {
	switch {
	case c.Min < 0 || c.Max < 1 || c.Min > c.Max:
		return fmt.Errorf("min %d and max %d: min has to be 0 or more, and max at least 1 and min", c.Min, c.Max)
	case c.Objective <= 0 || c.Interval <= 0 || c.Startup < 0:
		return errors.New("objective and interval have to be positive, and the start-up time not negative")
	case !(c.LeastRate > 0) || !(c.PodRate >= c.LeastRate) || !(c.MostRate >= c.PodRate):
		return errors.New("the rates of a pod have to be positive, and the assumed one within its bounds")
	case !(c.MissCost > 0) || !(c.Margin > 0):
		return errors.New("the cost of a miss and the margin have to be positive")
	}
	return nil
}

// most is the largest size that is allowed, and why.
func (c *Config) most() (int, string) {
	most, reason := c.Max, "the largest size allowed"
	for _, ceiling := range c.Ceilings {
		if ceiling.Pods < most {
			most, reason = max(ceiling.Pods, c.Min), ceiling.Reason
		}
	}
	return most, reason
}
