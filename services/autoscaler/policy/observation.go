package policy

import "time"

// Observation is what is known about a workload at a moment.
type Observation struct {
	// Seconds since the epoch, in the wall clock of the place whose days and
	// weeks shape the load.
	Seconds int64

	// Replicas is the size that is asked for at present. Pods that a rollout
	// adds beyond it are in none of the numbers.
	Replicas int
	// Ready pods take load; Starting ones are on their way.
	Ready, Starting int
	// Unschedulable of the starting ones wait for a node.
	Unschedulable int
	// Started are the times that pods needed which became ready since the
	// observation before, from their creation.
	Started []time.Duration

	// Scraped pods of the ready ones told their numbers. With none of them the
	// load is unknown; with some it is taken to be alike on the others, and
	// nothing shrinks.
	Scraped int

	// Offered is the load in requests per second: accepted, rejected, shed and
	// still waiting. Served is what was answered of it.
	Offered, Served float64
	// Utilisation is the CPU used by the scraped pods as a share of what they
	// may use; below 0 when unknown.
	Utilisation float64
	// Waiting is the number of requests that have been accepted and not begun.
	Waiting float64
	// P99 is the latency of 99 % of requests in seconds; below 0 when unknown.
	P99 float64
}

// Complete tells whether all ready pods told their numbers.
func (o *Observation) Complete() bool { return o.Scraped > 0 && o.Scraped >= o.Ready }
