package brokertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/trivetkv/trivet/pkg/broker"
)

var orderTests = []test{
	{"per key across retries", func(t *testing.T, h Harness) {
		keys := []string{"a", "b", "c"}
		all := messages(40, keys...)
		// Every seventh message is retried twice.
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			if d.Attempt <= 2 && (d.Body[len(d.Body)-1]-'0')%7 == 3 {
				return broker.Retry()
			}
			return broker.Ack()
		}}
		// A handler that acks what follows a retry in the same batch must not
		// get ahead of it: the broker hands those out again.
		publish(t, h.Broker, all...)
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, h.Broker) })
		checkOrder(t, l, all, keys)
	}},
	{"per key across restarts", func(t *testing.T, h Harness) {
		keys := []string{"a", "b"}
		all := messages(60, keys...)
		publish(t, h.Broker, all...)
		l := &log{}
		b := h.Broker
		for restart := range 4 {
			// Each life handles some, asks for a retry, and ends.
			var once sync.Once
			reached := make(chan struct{})
			target := (restart + 1) * 20
			l.decide = func(broker.Delivery) broker.Verdict {
				if len(l.acked) >= target {
					once.Do(func() { close(reached) })
					return broker.Retry()
				}
				return broker.Ack()
			}
			s := subscribe(t, b, l.handle)
			receive(t, "some messages are handled", reached)
			stop(t, s)
			b = h.Reopen(t)
		}
		l.decide = nil
		subscribe(t, b, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, b) })
		checkOrder(t, l, all, keys)
	}},
	{"messages published later wait behind a retry of their key", func(t *testing.T, h Harness) {
		var mu sync.Mutex
		open := false
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			mu.Lock()
			defer mu.Unlock()
			if d.ID == message("k", 0).ID && !open {
				return broker.Retry()
			}
			return broker.Ack()
		}}
		subscribe(t, h.Broker, l.handle)
		publish(t, h.Broker, message("k", 0))
		eventually(t, "the first message is tried again", func() bool { return len(l.attempts(message("k", 0).ID)) > 1 })
		publish(t, h.Broker, message("k", 1))
		n := len(l.attempts(message("k", 0).ID))
		eventually(t, "the first message is tried again", func() bool { return len(l.attempts(message("k", 0).ID)) > n })
		if got := l.attempts(message("k", 1).ID); got != nil {
			t.Errorf("the second message was delivered %d times before the first was settled", len(got))
		}
		mu.Lock()
		open = true
		mu.Unlock()
		eventually(t, "both are acked", func() bool { return l.ackedCount() == 2 })
		if got, want := l.ackedIDs("k"), []string{message("k", 0).ID, message("k", 1).ID}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}},
}

// settled tells whether no message waits for a verdict.
func settled(t *testing.T, b broker.Broker) bool {
	t.Helper()
	s := stats(t, b)
	return s.Ready == 0 && s.Unsettled == 0
}

// checkOrder holds what was delivered against the order of publishing: whatever
// was retried, a key never moves on before the message in front is settled.
func checkOrder(t *testing.T, l *log, all []broker.Message, keys []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ahead) > 0 {
		t.Errorf("these were delivered before an earlier message of their key was settled: %v", l.ahead)
	}
	for _, key := range keys {
		want := idsOf(all, key)
		var last []string
		seen := make(map[string]bool)
		// Walking back, the first sight of a message is its final delivery.
		for i := len(l.delivered) - 1; i >= 0; i-- {
			if d := l.delivered[i]; d.Key == key && !seen[d.ID] {
				seen[d.ID] = true
				last = append(last, d.ID)
			}
		}
		slices.Reverse(last)
		if !slices.Equal(last, want) {
			t.Errorf("key %s was settled in the order %s, want %s", key, fmt.Sprint(last), fmt.Sprint(want))
		}
	}
}
