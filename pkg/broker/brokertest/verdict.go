package brokertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

var verdictTests = []test{
	{"what was acked does not come again", func(t *testing.T, h Harness) {
		publish(t, h.Broker, messages(10, "a", "b")...)
		first := &log{}
		s := subscribe(t, h.Broker, first.handle)
		eventually(t, "all are acked", func() bool { return first.ackedCount() == 20 })
		stop(t, s)
		b := h.Reopen(t)
		publish(t, b, message("later", 0))
		second := &log{}
		subscribe(t, b, second.handle)
		eventually(t, "the later message is delivered", func() bool { return second.ackedCount() > 0 })
		if got := second.delivered[0].Key; got != "later" {
			t.Errorf("a message of key %s came again", got)
		}
	}},
	{"a retry comes again and counts the attempts", func(t *testing.T, h Harness) {
		m := message("k", 0)
		publish(t, h.Broker, m)
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			if d.Attempt < 4 {
				return broker.Retry()
			}
			return broker.Ack()
		}}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "it is acked", func() bool { return l.ackedCount() == 1 })
		if got := l.attempts(m.ID); !slices.Equal(got, []int{1, 2, 3, 4}) {
			t.Errorf("got the attempts %v", got)
		}
	}},
	{"a missing verdict is a retry", func(t *testing.T, h Harness) {
		all := messages(3, "k")
		publish(t, h.Broker, all...)
		l := &log{}
		subscribe(t, h.Broker, func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
			if batch[0].Attempt == 1 {
				return nil
			}
			return l.handle(ctx, batch[:1]) // one message at a time
		})
		eventually(t, "all are settled", func() bool { return settled(t, h.Broker) })
		for _, m := range all {
			if got := l.attempts(m.ID); len(got) != 1 || got[0] < 2 {
				t.Errorf("message %s was handled at the attempts %v; the first had no verdict", m.ID, got)
			}
		}
	}},
	{"verdicts of other keys stand beside a retry", func(t *testing.T, h Harness) {
		publish(t, h.Broker, message("retried", 0), message("acked", 0), message("dead", 0))
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			switch {
			case d.Key == "retried" && d.Attempt < 3:
				return broker.Retry()
			case d.Key == "dead":
				return broker.DeadLetter("never")
			}
			return broker.Ack()
		}}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, h.Broker) })
		if got := l.attempts(message("acked", 0).ID); !slices.Equal(got, []int{1}) {
			t.Errorf("the acked message was delivered with attempts %v", got)
		}
		if got := deadLetters(t, h.Broker, 10); len(got) != 1 {
			t.Errorf("there are %d dead letters, want 1", len(got))
		}
	}},
	{"a dead letter is kept with its reason", func(t *testing.T, h Harness) {
		before := time.Now().Add(-time.Second)
		publish(t, h.Broker, messages(5, "k")...)
		l := &log{decide: func(d broker.Delivery) broker.Verdict { return broker.DeadLetter("no use: " + d.ID) }}
		s := subscribe(t, h.Broker, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, h.Broker) })
		stop(t, s)
		b := h.Reopen(t)
		got := deadLetters(t, b, 100)
		if len(got) != 5 {
			t.Fatalf("there are %d dead letters, want 5", len(got))
		}
		for i, letter := range got {
			want := message("k", i)
			if letter.ID != want.ID || letter.Key != want.Key || string(letter.Body) != string(want.Body) {
				t.Errorf("dead letter %d is %+v, want %+v", i, letter.Message, want)
			}
			if letter.Reason != "no use: "+want.ID {
				t.Errorf("dead letter %d has the reason %q", i, letter.Reason)
			}
			if letter.At.Before(before) || letter.At.After(time.Now().Add(time.Second)) {
				t.Errorf("dead letter %d was set aside at %v; it was just now", i, letter.At)
			}
		}
		if latest := deadLetters(t, b, 2); len(latest) != 2 || latest[0].ID != message("k", 3).ID || latest[1].ID != message("k", 4).ID {
			t.Errorf("the latest two are %v, want the last two, the older first", latest)
		}
		publish(t, b, message("later", 0))
		after := &log{}
		subscribe(t, b, after.handle)
		eventually(t, "the later message is delivered", func() bool { return after.ackedCount() == 1 })
		if got := after.delivered[0].Key; got != "later" {
			t.Errorf("the dead letter %s was delivered again", got)
		}
	}},
	{"later messages go on after a dead letter", func(t *testing.T, h Harness) {
		all := messages(10, "k")
		publish(t, h.Broker, all...)
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			if d.ID == all[3].ID {
				return broker.DeadLetter("poison")
			}
			return broker.Ack()
		}}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "the others are acked", func() bool { return l.ackedCount() == 9 })
		want := slices.Delete(idsOf(all, "k"), 3, 4)
		if got := l.ackedIDs("k"); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}},
	{"a dead letter of the largest message", func(t *testing.T, h Harness) {
		m := broker.Message{ID: "large", Key: "k"}
		m.Body = make([]byte, broker.MaxMessageBytes-len(m.ID)-len(m.Key))
		publish(t, h.Broker, m)
		l := &log{decide: func(broker.Delivery) broker.Verdict { return broker.DeadLetter(strings.Repeat("reason ", 1000)) }}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "it is set aside", func() bool { return settled(t, h.Broker) })
		got := deadLetters(t, h.Broker, 1)
		if len(got) != 1 || len(got[0].Body) != len(m.Body) || !strings.HasPrefix(got[0].Reason, "reason ") {
			t.Errorf("it was not kept whole: %d letters", len(got))
		}
	}},
	{"there are no dead letters at first", func(t *testing.T, h Harness) {
		if got := deadLetters(t, h.Broker, 10); len(got) != 0 {
			t.Errorf("got %d", len(got))
		}
	}},
}

var panicTests = []test{
	{"a panic is a retry", func(t *testing.T, h Harness) {
		all := messages(5, "a", "b")
		publish(t, h.Broker, all...)
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			if d.ID == all[4].ID && d.Attempt <= 2 {
				panic("a handler's bug")
			}
			return broker.Ack()
		}}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, h.Broker) })
		checkOrder(t, l, all, []string{"a", "b"})
		if got := deadLetters(t, h.Broker, 10); len(got) != 0 {
			t.Errorf("%d messages were set aside", len(got))
		}
	}},
	{"a message on which the handler always panics is set aside", func(t *testing.T, h Harness) {
		all := messages(6, "a", "b")
		publish(t, h.Broker, all...)
		poison := all[5] // there are more of its key behind it
		l := &log{decide: func(d broker.Delivery) broker.Verdict {
			if d.ID == poison.ID {
				panic(fmt.Errorf("cannot handle %s", d.ID))
			}
			return broker.Ack()
		}}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are settled", func() bool { return settled(t, h.Broker) })
		got := deadLetters(t, h.Broker, 10)
		if len(got) != 1 || got[0].ID != poison.ID {
			t.Fatalf("dead letters are %v, want the poison message alone", got)
		}
		if !strings.Contains(got[0].Reason, "panic") || !strings.Contains(got[0].Reason, "cannot handle "+poison.ID) {
			t.Errorf("the reason is %q; it should name the panic", got[0].Reason)
		}
		for _, m := range all {
			if m.ID != poison.ID && !slices.Contains(l.ackedIDs(m.Key), m.ID) {
				t.Errorf("message %s was not handled because of another one", m.ID)
			}
		}
		// Later messages of its key go on too.
		publish(t, h.Broker, message(poison.Key, 99))
		eventually(t, "a later message is handled", func() bool { return slices.Contains(l.ackedIDs(poison.Key), message(poison.Key, 99).ID) })
	}},
}
