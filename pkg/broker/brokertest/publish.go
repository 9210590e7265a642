package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

var publishTests = []test{
	{"what was published is delivered as it was", func(t *testing.T, h Harness) {
		before := time.Now().Add(-time.Second)
		m := broker.Message{ID: "id", Key: "key", Body: []byte("body")}
		publish(t, h.Broker, m)
		var l log
		subscribe(t, h.Broker, l.handle)
		eventually(t, "the message is delivered", func() bool { return l.ackedCount() == 1 })
		got := l.delivered[0]
		if got.ID != m.ID || got.Key != m.Key || string(got.Body) != string(m.Body) || got.Attempt != 1 {
			t.Errorf("got %+v, want %+v at attempt 1", got, m)
		}
		if got.PublishedAt.Before(before) || got.PublishedAt.After(time.Now().Add(time.Second)) {
			t.Errorf("it is said to be published at %v; it was just now", got.PublishedAt)
		}
	}},
	{"a subscription gets what is published later", func(t *testing.T, h Harness) {
		var l log
		subscribe(t, h.Broker, l.handle)
		for i := range 3 {
			publish(t, h.Broker, message("k", i))
			eventually(t, "the message is delivered", func() bool { return l.ackedCount() == i+1 })
		}
	}},
	{"keys and bodies of any bytes and sizes", func(t *testing.T, h Harness) {
		largest := make([]byte, broker.MaxMessageBytes-len("largest")-len("key"))
		largest[0], largest[len(largest)-1] = 1, 2
		all := []broker.Message{
			{ID: "no key", Body: []byte("v")},
			{ID: "no body", Key: "k"},
			{ID: "", Key: "no id", Body: []byte{0}},
			{ID: "any bytes", Key: string([]byte{0, 1, '.', '*', '>', ' ', '\r', '\n', 0x7f, 0x80, 0xff})},
			{ID: "long key", Key: string(bytes.Repeat([]byte{0xfe}, 1100))},
			{ID: "8 MiB", Key: "k", Body: bytes.Repeat([]byte{0xab}, 8<<20)},
			{ID: "largest", Key: "key", Body: largest},
			{ID: "after", Key: "k", Body: []byte("small")},
		}
		publish(t, h.Broker, all...)
		var l log
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are delivered", func() bool { return l.ackedCount() == len(all) })
		for _, want := range all {
			i := slices.IndexFunc(l.acked, func(d broker.Delivery) bool { return d.ID == want.ID })
			if i < 0 || l.acked[i].Key != want.Key || !bytes.Equal(l.acked[i].Body, want.Body) {
				t.Errorf("the message %q did not arrive as it was", want.ID)
			}
		}
	}},
	{"a message that is too large is refused", func(t *testing.T, h Harness) {
		err := h.Broker.Publish(t.Context(), broker.Message{ID: "i", Key: "k", Body: make([]byte, broker.MaxMessageBytes)})
		if !errors.Is(err, broker.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
		publish(t, h.Broker, message("k", 0))
	}},
	{"nothing is nothing", func(t *testing.T, h Harness) {
		publish(t, h.Broker)
	}},
	{"more messages in one call than a batch holds", func(t *testing.T, h Harness) {
		all := messages(700, "a", "b")
		publish(t, h.Broker, all...)
		var l log
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are delivered", func() bool { return l.ackedCount() == len(all) })
		for _, key := range []string{"a", "b"} {
			if got := l.ackedIDs(key); !slices.Equal(got, idsOf(all, key)) {
				t.Errorf("key %s came out of order", key)
			}
		}
	}},
	{"many publishers at once", func(t *testing.T, h Harness) {
		const publishers, each = 32, 40
		var l log
		subscribe(t, h.Broker, l.handle)
		var wg sync.WaitGroup
		for p := range publishers {
			wg.Go(func() {
				for i := range each {
					if err := h.Broker.Publish(t.Context(), message(fmt.Sprint(p), i)); err != nil {
						t.Errorf("publish: %v", err)
					}
				}
			})
		}
		wg.Wait()
		eventually(t, "all are delivered", func() bool { return l.ackedCount() >= publishers*each })
		for p := range publishers {
			key := fmt.Sprint(p)
			if got := l.ackedIDs(key); !slices.Equal(got, idsOf(messages(each, key), key)) {
				t.Errorf("key %s: got %d messages, or not in the order in which they were confirmed", key, len(got))
			}
		}
	}},
	{"a caller that gives up fails no other", func(t *testing.T, h Harness) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Broker.Publish(ctx, message("given up", 0)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		var wg sync.WaitGroup
		for p := range 8 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(p)*100*time.Microsecond)
				defer cancel()
				_ = h.Broker.Publish(ctx, message("hasty", p)) // may or may not be made
			})
			wg.Go(func() {
				if err := h.Broker.Publish(t.Context(), message("patient", p)); err != nil {
					t.Errorf("publish: %v", err)
				}
			})
		}
		wg.Wait()
		var l log
		subscribe(t, h.Broker, l.handle)
		eventually(t, "the others' messages are delivered", func() bool { return len(l.ackedIDs("patient")) == 8 })
	}},
	{"after close it is an error", func(t *testing.T, h Harness) {
		publish(t, h.Broker, message("k", 0))
		closeBroker(t, h.Broker)
		closeBroker(t, h.Broker)
		if err := h.Broker.Publish(t.Context(), message("k", 1)); !errors.Is(err, broker.ErrClosed) {
			t.Errorf("publish: got %v, want ErrClosed", err)
		}
		if _, err := h.Broker.Subscribe((&log{}).handle); !errors.Is(err, broker.ErrClosed) {
			t.Errorf("subscribe: got %v, want ErrClosed", err)
		}
		if err := h.Broker.Ping(t.Context()); err == nil {
			t.Error("a closed broker answers a ping")
		}
	}},
}
