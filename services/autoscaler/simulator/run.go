package simulator

import (
	"fmt"
	"time"
)

// Settings are the world that policies are tried in.
type Settings struct {
	PodRate   float64       // requests per second that a pod serves
	Startup   time.Duration // from asking for a pod until it is ready
	Objective time.Duration // for 99 % of the requests of a second
	Drain     time.Duration // within which a message has to be applied
	Timeout   time.Duration // after which a request has given up
	Min, Max  int
	ScoreFrom time.Duration // what comes before is for learning
	Target    float64       // utilisation that policies aim at
	Seed      uint64
	Workload  Workload
}

// Workload is what the pods do.
type Workload string

// Workloads.
const (
	API      Workload = "api"      // they answer the trace's requests
	Consumer Workload = "consumer" // they apply the messages that it enqueues
)

// DefaultSettings are those that the flags of the command have by default.
func DefaultSettings() Settings {
	return Settings{
		PodRate: 100, Startup: 25 * time.Second, Objective: 100 * time.Millisecond, Timeout: 2 * time.Second,
		Min: 2, Max: 200, ScoreFrom: 14 * 24 * time.Hour, Target: 0.7, Seed: 1,
		Drain: 30 * time.Second, Workload: API,
	}
}

// Check refuses settings that make no world.
func (s *Settings) Check() error {
	switch {
	case !(s.PodRate >= 1 && s.PodRate <= 1e5):
		return fmt.Errorf("the pod's rate %v has to be from 1 to 100000 requests per second", s.PodRate)
	case s.Min < 1 || s.Max < s.Min || s.Max > 2000:
		return fmt.Errorf("sizes from %d to %d: they have to be from 1 to 2000", s.Min, s.Max)
	case s.Objective <= 0 || s.Timeout < s.Objective || s.Startup < 0 || s.ScoreFrom < 0:
		return fmt.Errorf("objective %v, time-out %v, start-up %v, score from %v: none may be negative, and the time-out not below the objective",
			s.Objective, s.Timeout, s.Startup, s.ScoreFrom)
	case s.Workload != API && s.Workload != Consumer:
		return fmt.Errorf("the workload %q is neither %s nor %s", s.Workload, API, Consumer)
	case s.Workload == Consumer && s.Drain < time.Second:
		return fmt.Errorf("the drain time %v has to be a second or more", s.Drain)
	case !(s.Target > 0 && s.Target <= 1):
		return fmt.Errorf("the target %v has to be above 0 and at most 1", s.Target)
	}
	return nil
}

// View is what policies can see of a second that has passed.
type View struct {
	Second      int // since the trace began, which is a Monday, 00:00 UTC
	Arrivals    float64
	Served      float64
	InSystem    float64
	Waiting     float64
	Utilisation float64 // of the ready pods
	P99         float64 // seconds
	Replicas    int
	Ready       int
	// Pods are the ready and the starting ones, the oldest first.
	Pods []Pod
}

// Pod is one in the simulation: seconds since the trace began.
type Pod struct{ Created, Ready int }

// Policy decides a size each second from what it sees.
type Policy interface {
	// Step is called after each second and gives the size from then on.
	Step(v *View) int
}

// Maker makes a policy for a run.
type Maker func(s Settings) (Policy, error)

// Makers are the policies by name.
type Makers map[string]Maker

// Row is the outcome of a run.
type Row struct {
	Trace            string  `json:"trace"`
	Policy           string  `json:"policy"`
	Workload         string  `json:"workload,omitempty"` // unless it is api
	Target           float64 `json:"target"`
	Seed             uint64  `json:"seed"`
	StartupSeconds   float64 `json:"startup_seconds"`
	ViolationSeconds int     `json:"violation_seconds"`
	Dropped          float64 `json:"dropped"`
	PodHours         float64 `json:"pod_hours"`
	Changes          int     `json:"changes"`
	P99              float64 `json:"p99_ms"`
	SecondsSimulated int     `json:"seconds_simulated"`
	WallSeconds      float64 `json:"wall_seconds"`
}

// Arrivals are the requests of each second of a trace, drawn once so that every
// policy meets the same.
type Arrivals struct {
	Trace  *Trace
	counts []uint32
}

// Draw draws the requests of a trace.
func Draw(t *Trace, seed uint64) *Arrivals { return &Arrivals{t, arrivals(t.Requests, t.Step, seed)} }

// DrawMessages draws the messages that a trace enqueues.
func DrawMessages(t *Trace, seed uint64) *Arrivals {
	return &Arrivals{t, arrivals(t.Enqueued, t.Step, seed)}
}

// World runs policies in one setting, one after the other.
type World struct {
	settings  Settings
	model     model
	objective float64 // seconds
	unit      float64 // of the latency histogram, seconds
}

// NewWorld makes a world.
func NewWorld(s Settings) (*World, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Workload == Consumer {
		return &World{settings: s, model: newQueue(s.PodRate), objective: s.Drain.Seconds(), unit: 1}, nil
	}
	return &World{settings: s, model: newLine(s.PodRate, s.Timeout.Seconds()), objective: s.Objective.Seconds(), unit: 1e-3}, nil
}

// Run lets a policy meet the arrivals. record, which may be nil, is told of
// every second that counts.
func (w *World) Run(name string, a *Arrivals, make Maker, clock func() time.Time, record func(*View, second)) (Row, error) {
	s := w.settings
	policy, err := make(s)
	if err != nil {
		return Row{}, fmt.Errorf("policy %s: %w", name, err)
	}
	row := Row{Trace: a.Trace.Name, Policy: name, Target: s.Target, Seed: s.Seed, StartupSeconds: s.Startup.Seconds(), SecondsSimulated: len(a.counts)}
	if s.Workload != API {
		row.Workload = string(s.Workload)
	}
	began := clock()
	w.model.reset()
	pods := newPods(s.Min, int(s.Startup.Seconds()))
	from := int(s.ScoreFrom.Seconds())
	latency := histogram{unit: w.unit}
	podSeconds := 0
	var view View
	for t, count := range a.counts {
		ready := pods.readyAt(t)
		result := w.model.step(ready, float64(count))
		view = View{
			Second: t, Arrivals: float64(count), Served: result.served, InSystem: result.inSystem, Waiting: w.model.waiting(),
			Utilisation: result.utilisation, P99: result.p99, Replicas: len(pods.list), Ready: ready, Pods: pods.list,
		}
		if t >= from {
			if result.p99 > w.objective || result.dropped > 0 {
				row.ViolationSeconds++
			}
			row.Dropped += result.dropped
			podSeconds += len(pods.list)
			latency.add(result.p99, float64(count))
			if record != nil {
				record(&view, result)
			}
		}
		size := min(max(policy.Step(&view), s.Min), s.Max)
		if size != len(pods.list) {
			if t >= from {
				row.Changes++
			}
			pods.resize(size, t+1)
		}
	}
	row.PodHours = float64(podSeconds) / 3600
	row.P99 = 1000 * latency.quantile(0.99)
	row.WallSeconds = clock().Sub(began).Seconds()
	return row, nil
}

// pods are the pods of the workload, the oldest first. The newest go first, as
// with a ReplicaSet, which prefers pods that are not ready or not long ready.
type pods struct {
	list    []Pod
	ready   int
	startup int
}

func newPods(n, startup int) *pods {
	p := &pods{startup: startup}
	for range n {
		p.list = append(p.list, Pod{Created: -startup, Ready: 0})
	}
	return p
}

func (p *pods) readyAt(t int) int {
	for p.ready < len(p.list) && p.list[p.ready].Ready <= t {
		p.ready++
	}
	return p.ready
}

func (p *pods) resize(n, t int) {
	for len(p.list) < n {
		p.list = append(p.list, Pod{Created: t, Ready: t + p.startup})
	}
	p.list = p.list[:n]
	p.ready = min(p.ready, n)
}

// histogram counts requests by latency, in units.
type histogram struct {
	unit   float64 // seconds
	counts [4096]float64
	total  float64
}

func (h *histogram) add(seconds, requests float64) {
	h.counts[min(int(seconds/h.unit), len(h.counts)-1)] += requests
	h.total += requests
}

// quantile is the latency in seconds that a share of the requests met.
func (h *histogram) quantile(share float64) float64 {
	rest := share * h.total
	for i, n := range h.counts {
		if rest -= n; rest <= 0 {
			return float64(i+1) * h.unit
		}
	}
	return float64(len(h.counts)) * h.unit
}

// Counts are the requests by second.
func (a *Arrivals) Counts() []uint32 { return a.counts }
