// Package advise says which requests and limits would have sufficed, from what
// pods really used.
package advise

import (
	"errors"
	"math"
	"sync"
	"time"
)

// Usage is what one pod used at a time.
type Usage struct {
	CPUs   float64 // cores
	Memory float64 // bytes, resident
}

// Report is advice for one pod of a workload. CPU is in cores, memory in bytes.
type Report struct {
	Since         time.Time `json:"since"`
	Samples       int       `json:"samples"`
	CPUTypical    float64   `json:"cpu_typical"` // half of the samples are below
	CPUBusy       float64   `json:"cpu_busy"`    // 99 of 100 are
	CPURequest    float64   `json:"cpu_request"`
	MemoryPeak    float64   `json:"memory_peak"`
	MemoryRequest float64   `json:"memory_request"`
	MemoryLimit   float64   `json:"memory_limit"`

	PodHours        float64 `json:"pod_hours"`
	CPUHours        float64 `json:"cpu_hours"`         // that were requested
	CPUHoursAdvised float64 `json:"cpu_hours_advised"` // that would have sufficed
	// SavingUSD is what the difference costs at the given prices per hour of a
	// core; 0 without prices.
	SavingUSD float64 `json:"saving_usd"`
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
	podHours  float64
	requested float64 // core-hours
}

// Buckets of CPU use are 2 % apart, from a thousandth of a core.
const (
	buckets   = 700
	leastCPU  = 0.001
	bucketLog = 0.02
)

// Record takes what the pods used at a time, and how many cores each of them
// requests; 0: unknown.
func (r *Recorder) Record(at time.Time, pods []Usage, requested float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since, r.last = at, at
	}
	hours := at.Sub(r.last).Hours()
	r.last = at
	r.podHours += hours * float64(len(pods))
	r.requested += hours * float64(len(pods)) * requested
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

// Report gives the advice, at a price in dollars for an hour of a core.
func (r *Recorder) Report(coreHourUSD float64) (Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.samples < leastSamples {
		return Report{}, ErrTooEarly
	}
	report := Report{
		Since: r.since, Samples: r.samples, CPUTypical: r.quantile(0.5), CPUBusy: r.quantile(0.99),
		MemoryPeak: r.memory, MemoryRequest: memoryHeadroom * r.memory, MemoryLimit: limitHeadroom * r.memory,
		PodHours: r.podHours, CPUHours: r.requested,
	}
	report.CPURequest = math.Ceil(100*cpuHeadroom*report.CPUBusy) / 100
	report.CPUHoursAdvised = report.CPURequest * r.podHours
	if r.requested > 0 {
		report.SavingUSD = coreHourUSD * (report.CPUHours - report.CPUHoursAdvised)
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
