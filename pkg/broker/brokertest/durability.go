package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/trivetkv/trivet/pkg/broker"
)

var durabilityTests = []test{
	{"nothing confirmed is lost by a close in the middle", func(t *testing.T, h Harness) {
		const publishers = 16
		confirmed := make([][]string, publishers)
		enough := make(chan struct{}, publishers*1000)
		var wg sync.WaitGroup
		for p := range publishers {
			wg.Go(func() {
				for i := 0; ; i++ {
					m := message(fmt.Sprint(p), i)
					err := h.Broker.Publish(t.Context(), m)
					if errors.Is(err, broker.ErrClosed) {
						return
					}
					if err != nil {
						t.Errorf("publish: %v", err)
						return
					}
					confirmed[p] = append(confirmed[p], m.ID)
					select {
					case enough <- struct{}{}:
					default:
					}
				}
			})
		}
		l := &log{}
		subscribe(t, h.Broker, l.handle)
		for range publishers * 20 {
			receive(t, "messages are confirmed", enough)
		}
		closeBroker(t, h.Broker)
		wg.Wait()
		b := h.Reopen(t)
		subscribe(t, b, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, b) })
		for p := range publishers {
			key := fmt.Sprint(p)
			got := slices.Compact(l.ackedIDs(key)) // the last ones may have come again
			if len(got) < len(confirmed[p]) || !slices.Equal(got[:len(confirmed[p])], confirmed[p]) {
				t.Errorf("key %s: %d messages were confirmed, %d were handled, or not in order", key, len(confirmed[p]), len(got))
			}
		}
	}},
	{"messages outlive many restarts", func(t *testing.T, h Harness) {
		b := h.Broker
		var all []broker.Message
		for i := range 5 {
			m := message("k", i)
			publish(t, b, m)
			all = append(all, m)
			b = h.Reopen(t)
		}
		l := &log{}
		subscribe(t, b, l.handle)
		eventually(t, "all are acked", func() bool { return l.ackedCount() == len(all) })
		checkOrder(t, l, all, []string{"k"})
	}},
}

var statsTests = []test{
	{"ready, unsettled and dead are counted", func(t *testing.T, h Harness) {
		if got := stats(t, h.Broker); got != (broker.Stats{}) {
			t.Errorf("an empty broker has the stats %+v", got)
		}
		publish(t, h.Broker, messages(3, "a", "b")...)
		if got := stats(t, h.Broker); got.Ready != 6 || got.Unsettled != 0 || got.OldestAge < 0 {
			t.Errorf("after six messages: %+v", got)
		}
		g := newGate()
		s := subscribe(t, h.Broker, g.handle)
		receive(t, "the handler is called", g.entered)
		eventually(t, "the oldest message ages", func() bool { return stats(t, h.Broker).OldestAge > 0 })
		if got := stats(t, h.Broker); got.Ready+got.Unsettled != 6 || got.Unsettled == 0 {
			t.Errorf("while the handler has some of six messages: %+v", got)
		}
		close(g.leave)
		eventually(t, "all are settled", func() bool { return stats(t, h.Broker) == broker.Stats{} })
		stop(t, s)
		publish(t, h.Broker, message("k", 0))
		subscribe(t, h.Broker, (&log{decide: func(broker.Delivery) broker.Verdict { return broker.DeadLetter("no") }}).handle)
		eventually(t, "one is dead", func() bool { return stats(t, h.Broker) == broker.Stats{Dead: 1} })
	}},
	{"they outlive a restart", func(t *testing.T, h Harness) {
		publish(t, h.Broker, messages(4, "k")...)
		b := h.Reopen(t)
		if got := stats(t, b); got.Ready != 4 {
			t.Errorf("got %+v, want 4 ready", got)
		}
	}},
	{"an open broker answers a ping", func(t *testing.T, h Harness) {
		if err := h.Broker.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}},
}
