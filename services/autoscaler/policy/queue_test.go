package policy_test

import (
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/policy"
)

func newQueue(t *testing.T, change func(*policy.QueueConfig)) *policy.Queue {
	t.Helper()
	cfg := policy.DefaultQueue()
	cfg.PodRate = 100
	if change != nil {
		change(&cfg)
	}
	q, err := policy.NewQueue(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// kedacore/keda#638, #1325: messages that somebody is at were invisible.
func TestUnacknowledgedMessagesAreWork(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	d := q.Decide(&policy.QueueObservation{Replicas: 1, Ready: 1, Known: true, Unacknowledged: 15000, Drained: -1})
	if d.Replicas < 5 {
		t.Errorf("%d pods for 15000 unacknowledged messages", d.Replicas)
	}
}

// kedacore/keda#356: scaling to zero killed work in flight, in a loop.
func TestNobodyIsStoppedWhileWorkIsInFlight(t *testing.T) {
	t.Parallel()
	q := newQueue(t, func(c *policy.QueueConfig) { c.Min = 0; c.IdleFor = time.Minute })
	for range 1000 {
		d := q.Decide(&policy.QueueObservation{Replicas: 1, Ready: 1, Known: true, Unacknowledged: 1})
		if d.Replicas != 1 {
			t.Fatal("stopped with a message in flight")
		}
	}
	last := policy.Decision{}
	for range 1000 {
		last = q.Decide(&policy.QueueObservation{Replicas: 1, Ready: 1, Known: true})
	}
	if last.Replicas != 0 || last.Reason != policy.ReasonIdle {
		t.Errorf("%d pods after half an hour of nothing: %s", last.Replicas, last.Explain())
	}
}

func TestScaleToZeroOnlyWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	for range 2000 {
		if d := q.Decide(&policy.QueueObservation{Replicas: 1, Ready: 1, Known: true}); d.Replicas != 1 {
			t.Fatal("scaled to zero with a least size of 1")
		}
	}
}

// kedacore/keda#7239: from zero, a fallback did not apply.
func TestABrokerThatDoesNotAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	q := newQueue(t, func(c *policy.QueueConfig) { c.Min = 0 })
	for _, size := range []int{0, 1, 7} {
		for range 1000 {
			if d := q.Decide(&policy.QueueObservation{Replicas: size, Ready: size}); d.Replicas != size {
				t.Fatalf("%d → %d while the broker did not answer", size, d.Replicas)
			}
		}
	}
}

func TestWorkWakesAConsumerFromZero(t *testing.T) {
	t.Parallel()
	q := newQueue(t, func(c *policy.QueueConfig) { c.Min = 0 })
	if d := q.Decide(&policy.QueueObservation{Known: true, Waiting: 1}); d.Replicas != 1 {
		t.Errorf("%d pods for one message", d.Replicas)
	}
}

// kedacore/keda#8033: after a fast drain the empty queue hid the load.
func TestAnEmptyQueueThatIsKeptEmptyIsNoReasonToShrink(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	for range 1000 {
		d := q.Decide(&policy.QueueObservation{Replicas: 6, Ready: 6, Known: true, Drained: 500})
		if d.Replicas < 6 {
			t.Fatalf("shrank to %d while 500 messages a second come and go", d.Replicas)
		}
	}
}

func TestABacklogIsDrainedWithinTheObjective(t *testing.T) {
	t.Parallel()
	q := newQueue(t, func(c *policy.QueueConfig) { c.Max = 50 })
	work, size, seconds := 30000., 1, 0
	for ; work > 0 && seconds < 600; seconds += 2 {
		drained := min(100*float64(size), work/2)
		d := q.Decide(&policy.QueueObservation{Replicas: size, Ready: size, Known: true, Waiting: work, Drained: drained})
		work = max(0, work-2*drained)
		size = d.Replicas
	}
	if seconds > 40 {
		t.Errorf("drained in %d s, the objective is 30 s", seconds)
	}
}

func TestTheMessagesPerSecondOfAPodAreLearned(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	var d policy.Decision
	for range 300 {
		d = q.Decide(&policy.QueueObservation{Replicas: 2, Ready: 2, Known: true, Waiting: 50000, Drained: 460})
	}
	if d.PodRate < 225 || d.PodRate > 235 {
		t.Errorf("learned %v/s, want 230/s", d.PodRate)
	}
}
