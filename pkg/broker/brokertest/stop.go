package brokertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

// gate is a handler that waits until it is let go.
type gate struct {
	entered chan context.Context
	leave   chan struct{}
	running atomic.Bool
}

func newGate() *gate {
	return &gate{entered: make(chan context.Context, 1000), leave: make(chan struct{})}
}

func (g *gate) handle(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
	g.running.Store(true)
	defer g.running.Store(false)
	g.entered <- ctx
	select {
	case <-g.leave:
	case <-ctx.Done():
		return nil
	}
	verdicts := make([]broker.Verdict, len(batch))
	for i := range verdicts {
		verdicts[i] = broker.Ack()
	}
	return verdicts
}

var stopTests = []test{
	{"it waits for the handler", func(t *testing.T, h Harness) {
		publish(t, h.Broker, message("k", 0))
		g := newGate()
		s := subscribe(t, h.Broker, g.handle)
		ctx := receive(t, "the handler is called", g.entered)
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(t.Context()) }()
		select {
		case err := <-stopped:
			t.Fatalf("it stopped (%v) while the handler was running", err)
		case <-time.After(50 * time.Millisecond):
		}
		if ctx.Err() != nil {
			t.Error("the handler's context ended although Stop had time")
		}
		close(g.leave)
		if err := receive(t, "it stops", stopped); err != nil {
			t.Error(err)
		}
		if g.running.Load() {
			t.Error("the handler was still running")
		}
		if !settled(t, h.Broker) {
			t.Error("the verdict of the last batch did not count")
		}
	}},
	{"the handler's context ends when Stop runs out of time", func(t *testing.T, h Harness) {
		publish(t, h.Broker, message("k", 0))
		g := newGate()
		s := subscribe(t, h.Broker, g.handle)
		ctx := receive(t, "the handler is called", g.entered)
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.Stop(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline of Stop", err)
		}
		receive(t, "the handler's context ends", ctx.Done())
		stop(t, s)
	}},
	{"twice, at once, and with nothing to do", func(t *testing.T, h Harness) {
		s := subscribe(t, h.Broker, (&log{}).handle)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := s.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		stop(t, s)
	}},
	{"what has no verdict goes to the next subscription", func(t *testing.T, h Harness) {
		all := messages(10, "k")
		publish(t, h.Broker, all...)
		retry := &log{decide: func(broker.Delivery) broker.Verdict { return broker.Retry() }}
		s := subscribe(t, h.Broker, retry.handle)
		eventually(t, "something is delivered", func() bool { return len(retry.attempts(all[0].ID)) > 0 })
		stop(t, s)
		l := &log{}
		subscribe(t, h.Broker, l.handle)
		eventually(t, "all are acked", func() bool { return l.ackedCount() == 10 })
		checkOrder(t, l, all, []string{"k"})
	}},
	{"one subscription is active", func(t *testing.T, h Harness) {
		s := subscribe(t, h.Broker, (&log{}).handle)
		if _, err := h.Broker.Subscribe((&log{}).handle); !errors.Is(err, broker.ErrSubscribed) {
			t.Errorf("got %v, want ErrSubscribed", err)
		}
		stop(t, s)
		stop(t, subscribe(t, h.Broker, (&log{}).handle))
	}},
	{"nothing is delivered afterwards", func(t *testing.T, h Harness) {
		l := &log{}
		stop(t, subscribe(t, h.Broker, l.handle))
		publish(t, h.Broker, message("k", 0))
		next := &log{}
		subscribe(t, h.Broker, next.handle)
		eventually(t, "the next subscription has it", func() bool { return next.ackedCount() == 1 })
		if l.ackedCount() != 0 {
			t.Error("the stopped one had it too")
		}
	}},
	{"close ends the handler", func(t *testing.T, h Harness) {
		publish(t, h.Broker, message("k", 0))
		g := newGate()
		s := subscribe(t, h.Broker, g.handle)
		ctx := receive(t, "the handler is called", g.entered)
		closeBroker(t, h.Broker)
		if ctx.Err() == nil || g.running.Load() {
			t.Error("the handler was still running after Close")
		}
		stop(t, s)
		b := h.Reopen(t)
		l := &log{}
		subscribe(t, b, l.handle)
		eventually(t, "the message comes again", func() bool { return l.ackedCount() == 1 })
	}},
}
