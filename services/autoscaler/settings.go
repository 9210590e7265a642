package main

import (
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
)

// apiConfig puts what is said of a workload over the defaults.
func apiConfig(w config.ScaledWorkload) policy.Config {
	c := policy.Default()
	override(&c.Max, w.Max)
	c.Min = least(w, c.Min)
	override(&c.Objective, time.Duration(w.Objective))
	override(&c.Startup, time.Duration(w.Startup))
	override(&c.PodRate, w.PodRate)
	override(&c.MissCost, w.MissCost)
	c.Ceilings = ceilings(w)
	return c
}

// queueConfig puts what is said of a consumer over the defaults.
func queueConfig(w config.ScaledWorkload) policy.QueueConfig {
	c := policy.DefaultQueue()
	override(&c.Max, w.Max)
	c.Min = least(w, c.Min)
	override(&c.Drain, time.Duration(w.Drain))
	override(&c.Startup, time.Duration(w.Startup))
	override(&c.PodRate, w.PodRate)
	c.Ceilings = ceilings(w)
	return c
}

func override[T comparable](setting *T, value T) {
	var zero T
	if value != zero {
		*setting = value
	}
}

func least(w config.ScaledWorkload, standard int) int {
	if w.Min != nil {
		return *w.Min
	}
	return standard
}

// ceilings are what is behind a workload bears.
func ceilings(w config.ScaledWorkload) []policy.Ceiling {
	if w.Connections <= 0 || w.MaxConnections <= 0 {
		return nil
	}
	return []policy.Ceiling{{
		Pods:   max(1, w.MaxConnections/w.Connections),
		Reason: fmt.Sprintf("what is behind it takes %d connections, %d of each pod", w.MaxConnections, w.Connections),
	}}
}
