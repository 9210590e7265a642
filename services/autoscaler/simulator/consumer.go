package simulator

import (
	"math"

	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/simulator/hpa"
)

// ConsumerPolicies are those that can size a consumer, by name. Knative's is
// not among them: it scales what answers requests.
func ConsumerPolicies() Makers {
	return Makers{"trivet": TrivetConsumer, "hpa": HPA, "keda": KEDAConsumer}
}

// queue is the model of a consumer: messages wait in one line, are never
// dropped, and each pod applies them at its rate. The latency of a second is the
// age of the oldest message that is left at its end.
type queue struct {
	rate    float64
	backlog float64

	arrived []float64 // by second, of which the ones before head are applied
	head    int
}

func newQueue(rate float64) *queue { return &queue{rate: rate} }

func (q *queue) reset() { q.backlog, q.arrived, q.head = 0, q.arrived[:0], 0 }

func (q *queue) waiting() float64 { return q.backlog }

func (q *queue) step(pods int, arrivals float64) second {
	capacity := float64(pods) * q.rate
	q.arrived = append(q.arrived, arrivals)
	served := min(q.backlog+arrivals, capacity)
	q.backlog += arrivals - served
	for rest := served; q.head < len(q.arrived); q.head++ {
		if q.arrived[q.head] > rest {
			q.arrived[q.head] -= rest
			break
		}
		rest -= q.arrived[q.head]
	}
	s := second{served: served, p99: float64(len(q.arrived) - q.head), inSystem: q.backlog}
	if pods > 0 {
		s.utilisation = served / capacity
		s.inSystem += served / q.rate
	}
	return s
}

// trivetConsumer lets the service's own policy for queues decide.
type trivetConsumer struct {
	policy   *policy.Queue
	interval int
	starts   starts
	drained  float64
	size     int
}

// TrivetConsumer makes the policy of this project for queues, which has to
// learn what a pod applies and how long it takes to start.
func TrivetConsumer(s Settings) (Policy, error) {
	cfg := policy.DefaultQueue()
	cfg.Min, cfg.Max, cfg.Drain = s.Min, s.Max, s.Drain
	cfg.PodRate = 0.7 * s.PodRate
	p, err := policy.NewQueue(cfg)
	if err != nil {
		return nil, err
	}
	return &trivetConsumer{policy: p, interval: int(cfg.Interval.Seconds()), starts: starts{ready: s.Min, startup: s.Startup}, size: s.Min}, nil
}

func (t *trivetConsumer) Step(v *View) int {
	t.drained += v.Served
	if (v.Second+1)%t.interval != 0 {
		return t.size
	}
	d := t.policy.Decide(&policy.QueueObservation{
		Replicas: v.Replicas, Ready: v.Ready, Starting: v.Replicas - v.Ready, Started: t.starts.since(v.Ready),
		Known: true, Waiting: v.Waiting, Drained: t.drained / float64(t.interval), Oldest: v.P99,
	})
	t.drained, t.size = 0, d.Replicas
	return t.size
}

// kedaConsumer is KEDA with a trigger on the queue's length.
type kedaConsumer struct {
	settings   Settings
	normalizer hpa.Normalizer
	size       int
}

// KEDAConsumer makes a ScaledObject on the messages that wait or are being
// applied, with the target's share of what a pod applies within the drain time
// for each pod.
func KEDAConsumer(s Settings) (Policy, error) { return &kedaConsumer{settings: s, size: s.Min}, nil }

func (k *kedaConsumer) Step(v *View) int {
	now := v.Second + 1
	if now%int(hpa.SyncPeriod.Seconds()) != 0 {
		return k.size
	}
	each := k.settings.Target * k.settings.PodRate * k.settings.Drain.Seconds()
	current, least, most := sizes(v, &k.settings)
	desired, _ := hpa.ExternalPerPodReplicas(current, int64(math.Round(1000*each)),
		hpa.Tolerances{ScaleDown: hpa.DefaultTolerance, ScaleUp: hpa.DefaultTolerance}, int64(1000*v.Waiting))
	k.size = int(k.normalizer.Normalize(current, desired, least, most, moment(now)))
	return k.size
}
