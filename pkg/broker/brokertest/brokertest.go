// Package brokertest is the suite that every [broker.Broker] has to pass.
package brokertest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

// Harness is one empty broker to test.
type Harness struct {
	Broker broker.Broker

	// Reopen closes the broker, unless the test has, and gives one that goes on
	// with its messages. The suite uses only that one from then on.
	Reopen func(t *testing.T) broker.Broker
}

// Exercise runs the suite. open is called once for each test, and closes with
// t.Cleanup what it opens.
func Exercise(t *testing.T, open func(t *testing.T) Harness) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Publish", publishTests},
		{"Order", orderTests},
		{"Verdict", verdictTests},
		{"Panic", panicTests},
		{"Stop", stopTests},
		{"Durability", durabilityTests},
		{"Stats", statsTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(t, open(t))
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, h Harness)
}

// patience bounds the wait for anything that has to happen.
const patience = 30 * time.Second

// message makes a message whose body says its key and place.
func message(key string, n int) broker.Message {
	return broker.Message{ID: fmt.Sprintf("%x-%d", key, n), Key: key, Body: fmt.Appendf(nil, "%x %d", key, n)}
}

// messages makes n messages of each key, in turns.
func messages(n int, keys ...string) []broker.Message {
	var all []broker.Message
	for i := range n {
		for _, key := range keys {
			all = append(all, message(key, i))
		}
	}
	return all
}

func publish(t *testing.T, b broker.Broker, messages ...broker.Message) {
	t.Helper()
	if err := b.Publish(t.Context(), messages...); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func subscribe(t *testing.T, b broker.Broker, h broker.Handler) broker.Subscription {
	t.Helper()
	s, err := b.Subscribe(h)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	return s
}

func stop(t *testing.T, s broker.Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

func closeBroker(t *testing.T, b broker.Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func stats(t *testing.T, b broker.Broker) broker.Stats {
	t.Helper()
	s, err := b.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return s
}

func deadLetters(t *testing.T, b broker.Broker, limit int) []broker.DeadMessage {
	t.Helper()
	letters, err := b.DeadLetters(t.Context(), limit)
	if err != nil {
		t.Fatalf("dead letters: %v", err)
	}
	return letters
}

// eventually waits until the condition holds, looking again and again.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// receive waits for a value of a channel.
func receive[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("not reached")
	}
}

// log is a handler that notes what is delivered, and decides on each message by
// a function; without one it acks.
type log struct {
	decide func(broker.Delivery) broker.Verdict

	mu        sync.Mutex
	delivered []broker.Delivery
	acked     []broker.Delivery
	places    map[string]int // of each key: how many of its messages are settled
	ahead     []string       // messages that came before an earlier one of their key was settled
}

func (l *log) handle(_ context.Context, batch []broker.Delivery) []broker.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered = append(l.delivered, batch...)
	l.arrive(batch)
	verdicts := make([]broker.Verdict, len(batch))
	for i, d := range batch {
		verdicts[i] = broker.Ack()
		if l.decide != nil {
			verdicts[i] = l.decide(d)
		}
		if verdicts[i].Acked() {
			l.acked = append(l.acked, d)
		}
	}
	l.settle(batch, verdicts)
	return verdicts
}

// arrive notes messages that are ahead of their turn: a message may come once
// those before it are settled, or together with them. It looks at those that
// [message] has made.
func (l *log) arrive(batch []broker.Delivery) {
	together := make(map[string]int)
	for _, d := range batch {
		if place, ok := placeOf(d); ok {
			if place > l.places[d.Key]+together[d.Key] {
				l.ahead = append(l.ahead, d.ID)
			}
			together[d.Key]++
		}
	}
}

func (l *log) settle(batch []broker.Delivery, verdicts []broker.Verdict) {
	if l.places == nil {
		l.places = make(map[string]int)
	}
	held := make(map[string]bool)
	for i, d := range batch {
		_, dead := verdicts[i].Dead()
		if held[d.Key] || !dead && !verdicts[i].Acked() {
			held[d.Key] = true
			continue
		}
		if place, ok := placeOf(d); ok {
			l.places[d.Key] = max(l.places[d.Key], place+1)
		}
	}
}

// placeOf gives the place that [message] has written into a body.
func placeOf(d broker.Delivery) (int, bool) {
	_, digits, ok := strings.Cut(string(d.Body), " ")
	place, err := strconv.Atoi(digits)
	return place, ok && err == nil
}

func (l *log) ackedCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// attempts gives the Attempt of each delivery of a message.
func (l *log) attempts(id string) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var attempts []int
	for _, d := range l.delivered {
		if d.ID == id {
			attempts = append(attempts, d.Attempt)
		}
	}
	return attempts
}

// ackedIDs gives the IDs of the acked messages of a key, in order.
func (l *log) ackedIDs(key string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for _, d := range l.acked {
		if d.Key == key {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func idsOf(messages []broker.Message, key string) []string {
	var ids []string
	for _, m := range messages {
		if m.Key == key {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
