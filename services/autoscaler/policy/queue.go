package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/forecast"
)

// QueueConfig is what the owner of a consumer says about it.
type QueueConfig struct {
	Min, Max int
	// Drain is within which time what waits should have been applied.
	Drain time.Duration
	// Interval is the time between observations.
	Interval time.Duration
	// PodRate is the messages per second that one pod is assumed to apply
	// before it has been measured; what is measured stays within LeastRate and
	// MostRate.
	PodRate, LeastRate, MostRate float64
	Startup                      time.Duration
	// IdleFor is for how long nothing may have waited or come before the size
	// is Min of 0.
	IdleFor  time.Duration
	Ceilings []Ceiling
}

// DefaultQueue gives a configuration with the values that suit most consumers.
func DefaultQueue() QueueConfig {
	return QueueConfig{
		Min: 1, Max: 10, Drain: 30 * time.Second, Interval: 2 * time.Second,
		PodRate: 500, LeastRate: 1, MostRate: 1e6, Startup: 30 * time.Second, IdleFor: 10 * time.Minute,
	}
}

// Check refuses what cannot be meant.
func (c QueueConfig) Check() error {
	switch {
	case c.Min < 0 || c.Max < 1 || c.Min > c.Max:
		return fmt.Errorf("min %d and max %d: min has to be 0 or more, and max at least 1 and min", c.Min, c.Max)
	case c.Drain <= 0 || c.Interval <= 0 || c.Startup < 0 || c.IdleFor < 0:
		return errors.New("drain time and interval have to be positive, start-up and idle times not negative")
	case !(c.LeastRate > 0) || !(c.PodRate >= c.LeastRate) || !(c.MostRate >= c.PodRate):
		return errors.New("the rates of a pod have to be positive, and the assumed one within its bounds")
	}
	return nil
}

// QueueObservation is what is known about a queue and its consumer at a moment.
type QueueObservation struct {
	Replicas, Ready, Starting int
	Unschedulable             int
	Started                   []time.Duration

	// Known is false when the broker did not answer; then nothing shrinks, and
	// never to zero.
	Known bool
	// Waiting are messages that wait for a first delivery, Unacknowledged those
	// that were delivered and have no verdict: both are work to be done.
	Waiting, Unacknowledged float64
	// Drained is how many messages per second were applied; below 0 when
	// unknown.
	Drained float64
	// Oldest is the age in seconds of the oldest message without a verdict.
	Oldest float64
}

// Queue decides for a consumer of messages. It is not safe for concurrent use.
type Queue struct {
	cfg      QueueConfig
	interval float64

	pod     float64 // messages per second that one applies
	lead    leadTime
	arrival *forecast.Rate

	before  float64 // work at the observation before; below 0: unknown
	tick    int64
	seen    int
	quiet   float64 // seconds without work
	smaller lowest  // negated sizes that would do
}

// NewQueue makes a policy that has learned nothing.
func NewQueue(cfg QueueConfig) (*Queue, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Queue{
		cfg: cfg, interval: cfg.Interval.Seconds(), pod: cfg.PodRate, before: -1,
		arrival: forecast.NewRate(cfg.Interval.Seconds()),
	}, nil
}

// Decide takes an observation and gives the size that follows. Observations
// come once an interval.
func (q *Queue) Decide(o *QueueObservation) Decision {
	q.tick++
	q.lead.observe(o.Started)
	most, limit := (&Config{Min: q.cfg.Min, Max: q.cfg.Max, Ceilings: q.cfg.Ceilings}).most()
	work := o.Waiting + o.Unacknowledged
	d := Decision{
		From: o.Replicas, Ready: o.Ready, Scraped: o.Ready, Unschedulable: o.Unschedulable,
		Lead:  q.lead.seconds(q.cfg.Startup) + q.interval,
		Queue: &QueueFigures{Waiting: work, Oldest: o.Oldest},
	}
	if !o.Known {
		q.before, q.quiet = -1, 0
		d.Replicas, d.Wanted, d.Reason, d.PodRate = clamp(o.Replicas, q.cfg.Min, most), o.Replicas, ReasonBlind, q.pod
		return d
	}
	q.learn(o, work)
	arrival := q.arrival.Trend(d.Lead)
	d.Offered, d.Expected, d.PodRate, d.Queue.Arrival = q.arrival.Level(), arrival, q.pod, q.arrival.Level()

	d.Wanted = q.pods(work, arrival)
	d.Queue.Drain = q.drain(work, arrival, d.Wanted)
	d.Reason = ReasonQueue
	if d.Wanted == 0 {
		d.Reason = ReasonIdle
	}
	enough := -q.smaller.add(q.tick, -d.Wanted, settleLong)
	size := clamp(d.Wanted, q.cfg.Min, most)
	if size < o.Replicas {
		size = min(clamp(enough, q.cfg.Min, most), o.Replicas)
		size = q.lastPod(size, work)
		if q.seen < settleLong {
			size = min(o.Replicas, most)
		}
	}
	if d.Wanted > most && size >= most {
		d.Limit = limit
	}
	d.Replicas = size
	return d
}

// learn works out what arrives and what a pod applies.
func (q *Queue) learn(o *QueueObservation, work float64) {
	q.seen++
	drained := max(0, o.Drained)
	if q.before >= 0 {
		// What arrived is what the queue grew by and what was taken out of it.
		q.arrival.Add(max(0, (work-q.before)/q.interval+drained))
	}
	q.before = work
	// Only pods that had enough to do show how fast they are.
	if o.Ready > 0 && o.Drained > 0 && o.Waiting > float64(o.Ready)*q.pod*q.interval {
		const weight = 0.05
		q.pod += weight * (o.Drained/float64(o.Ready) - q.pod)
		q.pod = min(max(q.pod, q.cfg.LeastRate), q.cfg.MostRate)
	}
	q.quiet += q.interval
	if work > 0 || drained > 0 {
		q.quiet = 0
	}
}

// pods is the size that keeps up with what arrives and applies what waits
// within the drain time.
func (q *Queue) pods(work, arrival float64) int {
	rate := withNoise(arrival, q.arrival.Dispersion())
	need := max((work/q.cfg.Drain.Seconds()+arrival)/q.pod, rate/q.pod)
	return int(math.Ceil(need - 1e-9))
}

// drain is how long what waits takes at a size, in seconds.
func (q *Queue) drain(work, arrival float64, pods int) float64 {
	if spare := float64(pods)*q.pod - arrival; spare > 0 {
		return work / spare
	}
	return math.Inf(1)
}

// lastPod keeps one pod while there is any work, one that somebody is at
// included, and until the queue has been quiet for a while.
func (q *Queue) lastPod(size int, work float64) int {
	if size == 0 && (work > 0 || q.quiet < q.cfg.IdleFor.Seconds()) {
		return 1
	}
	return size
}

// queueState is what a queue's policy has learned, as it is stored.
type queueState struct {
	Pod  float64  `json:"pod_rate"`
	Lead leadTime `json:"lead"`
}

// State gives what has been learned, to be stored.
func (q *Queue) State() ([]byte, error) { return json.Marshal(queueState{q.pod, q.lead}) }

// Restore takes what was stored.
func (q *Queue) Restore(stored []byte) error {
	var s queueState
	if err := json.Unmarshal(stored, &s); err != nil {
		return fmt.Errorf("the stored state: %w", err)
	}
	if s.Pod > 0 {
		q.pod = min(max(s.Pod, q.cfg.LeastRate), q.cfg.MostRate)
	}
	q.lead = s.Lead
	q.lead.sort()
	return nil
}
