// Package control runs the policies on workloads: it observes, decides, and
// lets a driver change sizes. How a workload is looked at and changed is the
// driver's; control/kubernetes has the one for clusters.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/trivetkv/trivet/services/autoscaler/advise"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// Kind says what a workload does.
type Kind string

// Kinds of workloads.
const (
	KindAPI      Kind = "api"      // answers requests
	KindConsumer Kind = "consumer" // applies messages
)

// Workload is the state of one as its driver sees it.
type Workload struct {
	Replicas      int // that are asked for
	Ready         int // pods that take load, those of a rollout's surge left out
	Unschedulable int
	Rollout       bool // pods are being replaced
	Started       []time.Duration
	Pods          []signal.Pod // ready ones, surge included: all of them take load
	Orders        Orders
}

// Orders are what people have said about a workload.
type Orders struct {
	Paused bool `json:"paused"`
	DryRun bool `json:"dry_run"`
	// Fixed is a size that somebody set; nil: none.
	Fixed *int `json:"fixed,omitempty"`
	// Schedule holds least sizes by time.
	Schedule Schedule `json:"schedule,omitempty"`
	// Problem says what is wrong with orders that could not be read.
	Problem string `json:"problem,omitempty"`
}

// Driver looks at one workload and changes its size.
type Driver interface {
	// Observe gives the workload's state. What it returns is consistent:
	// Scale refuses when the size has been changed since.
	Observe(ctx context.Context) (Workload, error)
	// Scale asks for a size. It returns ErrConflict when somebody else has
	// changed the size since it was observed.
	Scale(ctx context.Context, replicas int, why string) error
	// Tell shows a decision to people who look at the workload.
	Tell(reason, message string)
}

// Source tells what load the pods of a workload have had since it was asked
// before.
type Source interface {
	Collect(ctx context.Context, pods []signal.Pod) signal.Load
}

// ErrConflict says that a size was changed by somebody else in the meantime.
var ErrConflict = errors.New("the size was changed by somebody else")

// Options are what a controller needs.
type Options struct {
	Name       string // of the workload
	Kind       Kind
	API        policy.Config
	Queue      policy.QueueConfig
	Driver     Driver
	Source     Source
	Clock      func() time.Time
	Location   *time.Location // whose days and hours count
	Advisory   bool           // never change anything
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Usage, which may be nil, is told what pods use, for right-sizing.
	Usage *advise.Recorder
}

// Record is a decision with its circumstances, as /decisions shows it.
type Record struct {
	At          time.Time       `json:"at"`
	Workload    string          `json:"workload"`
	Explanation string          `json:"explanation"`
	Decision    policy.Decision `json:"decision"`
	Applied     bool            `json:"applied"`
	Why         string          `json:"not_applied,omitempty"`
	Orders      Orders          `json:"orders"`
}

// Controller keeps one workload at its size.
type Controller struct {
	opts    Options
	api     *policy.Policy
	queue   *policy.Queue
	metrics metrics

	learning sync.Mutex // held while a policy decides, is stored or restored

	mu      sync.Mutex
	records []Record
	told    string
}

// recordsKept is how many decisions are shown: with one every two seconds,
// somewhat more than an hour.
const recordsKept = 2048

// New makes a controller that has learned nothing.
func New(opts Options) (*Controller, error) {
	c := &Controller{opts: opts, metrics: newMetrics(opts.Registerer, opts.Name)}
	var err error
	switch opts.Kind {
	case KindAPI:
		c.api, err = policy.New(opts.API)
	case KindConsumer:
		c.queue, err = policy.NewQueue(opts.Queue)
	default:
		err = fmt.Errorf("there is no kind %q", opts.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("the autoscaler of %s: %w", opts.Name, err)
	}
	return c, nil
}

// Name is the workload's.
func (c *Controller) Name() string { return c.opts.Name }

// Interval is the time between two decisions.
func (c *Controller) Interval() time.Duration {
	if c.queue != nil {
		return c.opts.Queue.Interval
	}
	return c.opts.API.Interval
}

// Step observes, decides and acts, once.
func (c *Controller) Step(ctx context.Context) error {
	workload, err := c.opts.Driver.Observe(ctx)
	if err != nil {
		c.metrics.failures.WithLabelValues("observe").Inc()
		return fmt.Errorf("look at %s: %w", c.opts.Name, err)
	}
	load := c.opts.Source.Collect(ctx, workload.Pods)
	at := c.opts.Clock()
	if c.opts.Usage != nil {
		var requested advise.Usage
		if len(workload.Pods) > 0 {
			requested = workload.Pods[0].Requested
		}
		c.opts.Usage.Record(at, load.Usage, requested)
	}
	c.learning.Lock()
	decision := c.decide(at, &workload, &load)
	c.learning.Unlock()
	record := Record{At: at, Workload: c.opts.Name, Decision: decision, Orders: workload.Orders}
	size, order := workload.Orders.apply(decision.Replicas, workload.Replicas, at.In(c.opts.Location))
	record.Decision.Replicas = size
	record.Explanation = record.Decision.Explain() + order
	err = c.act(ctx, &record, &workload)
	c.metrics.observe(&record, &load, &workload)
	c.remember(record)
	return err
}

// decide asks the policy.
func (c *Controller) decide(at time.Time, w *Workload, load *signal.Load) policy.Decision {
	starting := max(0, w.Replicas-w.Ready)
	if c.queue != nil {
		o := policy.QueueObservation{
			Replicas: w.Replicas, Ready: w.Ready, Starting: starting, Unschedulable: w.Unschedulable, Started: w.Started,
			Known: load.Queue != nil, Drained: load.Handled,
		}
		if q := load.Queue; q != nil {
			o.Waiting, o.Unacknowledged, o.Oldest = q.Ready, q.Unsettled, q.OldestSeconds
		}
		return c.queue.Decide(&o)
	}
	local := at.In(c.opts.Location)
	_, offset := local.Zone()
	o := policy.Observation{
		Seconds: at.Unix() + int64(offset), Replicas: w.Replicas, Ready: w.Ready, Starting: starting,
		Unschedulable: w.Unschedulable, Started: w.Started, Scraped: scraped(load.Pods, w),
		Offered: load.Offered, Served: load.Served, Utilisation: load.Utilisation, P99: load.P99,
	}
	return c.api.Decide(&o)
}

// scraped gives how many of the ready pods told their numbers. During a rollout
// there are more pods than replicas; all that answer count as what they stand
// in for.
func scraped(pods int, w *Workload) int {
	if pods >= len(w.Pods) {
		return min(pods, w.Ready)
	}
	return min(pods, max(0, w.Ready-1))
}

// act changes the size if that is what the decision says and nobody has
// forbidden it.
func (c *Controller) act(ctx context.Context, r *Record, w *Workload) error {
	size := r.Decision.Replicas
	switch {
	case size == w.Replicas:
		return nil
	case c.opts.Advisory:
		r.Why = "this autoscaler only advises"
	case w.Orders.Paused:
		r.Why = "paused"
	case w.Orders.DryRun:
		r.Why = "dry run"
	default:
		if err := c.opts.Driver.Scale(ctx, size, r.Explanation); err != nil {
			r.Why = err.Error()
			c.metrics.failures.WithLabelValues("scale").Inc()
			return fmt.Errorf("scale %s to %d: %w", c.opts.Name, size, err)
		}
		r.Applied = true
	}
	return nil
}

// remember keeps a record, and tells people when something has changed.
func (c *Controller) remember(r Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.records) == recordsKept {
		c.records = append(c.records[:0], c.records[1:]...)
	}
	c.records = append(c.records, r)
	news := fmt.Sprint(r.Decision.Replicas, r.Decision.Reason == policy.ReasonBlind, r.Why, r.Decision.Limit, r.Orders.Problem)
	if news == c.told {
		return
	}
	c.told = news
	// What is as it was is for those who look for it; so is the first look,
	// which can tell no rates yet.
	reason, level := "Kept", slog.LevelDebug
	if r.Decision.Replicas != r.Decision.From || r.Decision.Reason == policy.ReasonBlind && len(c.records) > 1 {
		level = slog.LevelInfo
	}
	switch {
	case r.Applied:
		reason = "Scaled"
	case r.Why != "":
		reason = "NotScaled"
	case r.Decision.Reason == policy.ReasonBlind:
		reason = "Blind"
	}
	c.opts.Logger.Log(context.Background(), level, r.Explanation, "workload", c.opts.Name, "from", r.Decision.From, "to", r.Decision.Replicas,
		"reason", r.Decision.Reason, "applied", r.Applied, "not_applied", r.Why)
	if level == slog.LevelInfo {
		c.opts.Driver.Tell(reason, r.Explanation)
	}
}

// Records gives the latest decisions, the oldest first.
func (c *Controller) Records() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Record(nil), c.records...)
}

// State gives what was learned, to be stored.
func (c *Controller) State() ([]byte, error) {
	c.learning.Lock()
	defer c.learning.Unlock()
	if c.queue != nil {
		return c.queue.State()
	}
	return c.api.State()
}

// Restore takes what was stored.
func (c *Controller) Restore(stored []byte) error {
	c.learning.Lock()
	defer c.learning.Unlock()
	if c.queue != nil {
		return c.queue.Restore(stored)
	}
	return c.api.Restore(stored)
}

type metrics struct {
	name                           string
	wanted, replicas, ready, fresh *prometheus.GaugeVec
	offered, podRate, lead         *prometheus.GaugeVec
	reason                         *prometheus.GaugeVec
	scaled                         *prometheus.CounterVec
	failures                       *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer, name string) metrics {
	if registerer != nil {
		registerer = prometheus.WrapRegistererWith(prometheus.Labels{"workload": name}, registerer)
	}
	factory := promauto.With(registerer)
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	return metrics{
		name:     name,
		wanted:   gauge("trivet_autoscaler_wanted_replicas", "The size that the load asks for, before limits and orders."),
		replicas: gauge("trivet_autoscaler_replicas", "The size that was decided."),
		ready:    gauge("trivet_autoscaler_ready_pods", "Pods that take load, without those of a rollout's surge."),
		fresh:    gauge("trivet_autoscaler_signal_complete", "1 when every ready pod told its numbers, else 0: then nothing shrinks."),
		offered:  gauge("trivet_autoscaler_offered_rate", "Requests or messages per second that were offered."),
		podRate:  gauge("trivet_autoscaler_pod_rate", "Requests or messages per second that one pod serves, as learned."),
		lead:     gauge("trivet_autoscaler_lead_seconds", "Time from asking for a pod until it is ready, as learned."),
		reason:   gauge("trivet_autoscaler_reason", "1 for what the size follows from.", "reason"),
		scaled:   factory.NewCounterVec(prometheus.CounterOpts{Name: "trivet_autoscaler_changes_total", Help: "Changes of the size, by direction."}, []string{"direction"}),
		failures: factory.NewCounterVec(prometheus.CounterOpts{Name: "trivet_autoscaler_failures_total", Help: "Steps that failed, by what was being done."}, []string{"doing"}),
	}
}

func (m *metrics) observe(r *Record, load *signal.Load, w *Workload) {
	d := &r.Decision
	set := func(g *prometheus.GaugeVec, v float64) { g.WithLabelValues().Set(v) }
	set(m.wanted, float64(d.Wanted))
	set(m.replicas, float64(d.Replicas))
	set(m.ready, float64(w.Ready))
	set(m.offered, d.Offered)
	set(m.podRate, d.PodRate)
	set(m.lead, d.Lead)
	complete := 0.
	if load.Pods > 0 && len(load.Failures) == 0 {
		complete = 1
	}
	set(m.fresh, complete)
	m.reason.Reset()
	m.reason.WithLabelValues(string(d.Reason)).Set(1)
	if r.Applied {
		direction := "up"
		if d.Replicas < d.From {
			direction = "down"
		}
		m.scaled.WithLabelValues(direction).Inc()
	}
}
