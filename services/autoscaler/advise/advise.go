// Package advise says which requests and limits, and which nodes, would have
// sufficed, from what pods really used.
package advise

import (
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Usage is what one pod used at a time.
type Usage struct {
	CPUs   float64 `json:"cpu"`    // cores
	Memory float64 `json:"memory"` // bytes, resident
}

// Report is advice for the pods of a workload. CPU is in cores, memory in bytes,
// both for one pod.
type Report struct {
	Since         time.Time `json:"since"`
	Samples       int       `json:"samples"`
	CPUTypical    float64   `json:"cpu_typical"` // half of the samples are below
	CPUBusy       float64   `json:"cpu_busy"`    // 99 of 100 are
	CPURequest    float64   `json:"cpu_request"`
	MemoryPeak    float64   `json:"memory_peak"`
	MemoryRequest float64   `json:"memory_request"`
	MemoryLimit   float64   `json:"memory_limit"`

	// Requested is what a pod requests at present; zero: nothing.
	Requested Usage `json:"requested"`
	// Sizes are for how long there were how many pods, by their number.
	Sizes []SizeHours `json:"sizes"`
}

// SizeHours is for how many hours there were so many pods.
type SizeHours struct {
	Pods  int     `json:"pods"`
	Hours float64 `json:"hours"`
}

// Headroom over what was used: a request is room for the busiest minutes, a
// memory limit is for what has not been seen yet.
const (
	cpuHeadroom    = 1.15
	memoryHeadroom = 1.2
	limitHeadroom  = 1.5
)

// leastSamples are asked for before anything is advised: an hour of one pod,
// observed every two seconds.
const leastSamples = 1800

// ErrTooEarly says that too little has been seen to advise anything.
var ErrTooEarly = errors.New("too little has been seen yet; ask again after an hour of load")

// Recorder collects what pods use. It is safe for concurrent use.
type Recorder struct {
	mu        sync.Mutex
	since     time.Time
	last      time.Time
	cpu       [buckets]float64 // by logarithm
	samples   int
	memory    float64
	hours     map[int]float64 // by number of pods
	requested Usage
}

// Buckets of CPU use are 2 % apart, from a thousandth of a core.
const (
	buckets   = 700
	leastCPU  = 0.001
	bucketLog = 0.02
)

// Record takes what the pods used at a time, and what each of them requests.
func (r *Recorder) Record(at time.Time, pods []Usage, requested Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since, r.last, r.hours = at, at, make(map[int]float64)
	}
	if hours := at.Sub(r.last).Hours(); len(pods) > 0 && hours > 0 {
		r.hours[len(pods)] += hours
		r.requested = requested
	}
	r.last = at
	for _, pod := range pods {
		bucket := 0
		if pod.CPUs > leastCPU {
			bucket = min(int(math.Log(pod.CPUs/leastCPU)/bucketLog)+1, buckets-1)
		}
		r.cpu[bucket]++
		r.samples++
		r.memory = max(r.memory, pod.Memory)
	}
}

// Report gives the advice.
func (r *Recorder) Report() (Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.samples < leastSamples {
		return Report{}, ErrTooEarly
	}
	report := Report{
		Since: r.since, Samples: r.samples, CPUTypical: r.quantile(0.5), CPUBusy: r.quantile(0.99),
		MemoryPeak: r.memory, MemoryRequest: memoryHeadroom * r.memory, MemoryLimit: limitHeadroom * r.memory,
		Requested: r.requested,
	}
	report.CPURequest = math.Ceil(100*cpuHeadroom*report.CPUBusy) / 100
	for _, pods := range slices.Sorted(maps.Keys(r.hours)) {
		report.Sizes = append(report.Sizes, SizeHours{pods, r.hours[pods]})
	}
	return report, nil
}

func (r *Recorder) quantile(share float64) float64 {
	rest := share * float64(r.samples)
	for i, n := range r.cpu {
		if rest -= n; rest <= 0 {
			return leastCPU * math.Exp(bucketLog*float64(i))
		}
	}
	return leastCPU * math.Exp(bucketLog*buckets)
}
