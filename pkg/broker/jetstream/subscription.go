package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

const (
	// Bounds of what is read at once and of one call of the handler.
	batchMessages = 256
	batchBytes    = 4 << 20

	// A message on which the handler panics so many times is set aside.
	panicLimit = 5
)

// subscription is a handler at work. Everything but Stop and abort runs in its
// one goroutine.
type subscription struct {
	broker  *Broker
	handler broker.Handler

	stopping context.Context //nolint:containedctx // ends delivery
	stop     context.CancelFunc
	handling context.Context //nolint:containedctx // is the handler's
	cut      context.CancelFunc
	done     chan struct{}

	at       *position // where to read on; nil until it was located
	isolate  bool      // the handler panicked on a batch: deliver one by one to find the cause
	failures int       // rounds in a row in which nothing was settled
}

// Subscribe starts delivery to the handler, one batch at a time.
func (b *Broker) Subscribe(h broker.Handler) (broker.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.publisher.isClosed() {
		return nil, broker.ErrClosed
	}
	if b.subscription != nil {
		return nil, broker.ErrSubscribed
	}
	s := &subscription{broker: b, handler: h, done: make(chan struct{})}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.handling, s.cut = context.WithCancel(context.Background())
	b.subscription = s
	go func() {
		defer s.end()
		s.run()
	}()
	return s, nil
}

func (s *subscription) end() {
	s.stop()
	s.cut()
	s.broker.mu.Lock()
	s.broker.subscription = nil
	s.broker.mu.Unlock()
	close(s.done)
}

// Stop lets the batch under way be handled. The handler's context ends only
// when ctx does; Stop then returns without waiting further.
func (s *subscription) Stop(ctx context.Context) error {
	s.stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.cut()
		return fmt.Errorf("stop a subscription: %w", ctx.Err())
	}
}

// abort ends the handler's context and waits for it.
func (s *subscription) abort() {
	s.stop()
	s.cut()
	<-s.done
}

func (s *subscription) run() {
	for s.stopping.Err() == nil {
		if err := s.fill(); err != nil {
			if s.stopping.Err() == nil {
				s.unreadable(err)
			}
			continue
		}
		settled, held := s.round()
		if settled {
			s.failures = 0
		}
		if held {
			s.failures++
			s.backOff()
		}
	}
}

// fill reads the next messages once there is nothing left to settle: one that
// has to come again holds up all that follow it.
func (s *subscription) fill() error {
	b := s.broker
	if len(b.backlog.pending()) > 0 {
		return nil
	}
	s.isolate = false
	offset := b.backlog.end()
	if err := b.journal.await(s.stopping, offset); err != nil {
		return err
	}
	if s.at == nil {
		at, err := b.journal.locate(s.stopping, offset)
		if err != nil {
			return err
		}
		s.at = &at
	}
	messages, at, err := b.journal.read(s.stopping, *s.at, batchMessages, batchBytes)
	if err != nil {
		return err
	}
	*s.at = at
	b.backlog.add(messages)
	return nil
}

// unreadable reports why nothing can be read and waits before the next attempt.
// Nothing is ever skipped: a message that cannot be read was confirmed.
func (s *subscription) unreadable(err error) {
	if errors.Is(err, errDamaged) {
		s.broker.fault.Store(&err)
	}
	s.broker.options.Logger.Error("the queue cannot be read", "directory", s.broker.dir, "error", err)
	s.at = nil
	s.failures++
	s.backOff()
}

// round hands out what is not settled, and tells whether anything is now, and
// whether anything has to come again.
func (s *subscription) round() (settled, again bool) {
	items := s.broker.backlog.pending()
	isolate, size := s.isolate, batchMessages
	if isolate {
		size = 1
	}
	// A key with a message that has to come again gets none of its later ones
	// before that.
	held := make(map[string]bool)
	for len(items) > 0 && s.stopping.Err() == nil {
		var batch []*item
		batch, items = nextBatch(items, size, held)
		if s.handle(batch, held) {
			settled = true
		}
		if len(held) > 0 && !isolate {
			break
		}
	}
	s.advance()
	return settled, len(held) > 0
}

// nextBatch takes up to size items, and passes over those of held keys: there
// may be none left.
func nextBatch(items []*item, size int, held map[string]bool) (batch, rest []*item) {
	for i, it := range items {
		if held[it.Key] {
			continue
		}
		if batch = append(batch, it); len(batch) == size {
			return batch, items[i+1:]
		}
	}
	return batch, nil
}

// handle calls the handler with a batch and carries out its verdicts. Keys of
// messages that have to come again are added to held.
func (s *subscription) handle(batch []*item, held map[string]bool) (settled bool) {
	if len(batch) == 0 {
		return false
	}
	b := s.broker
	b.metrics.delivered.Add(float64(len(batch)))
	verdicts, panicked := s.call(b.backlog.deliver(batch))
	for i, it := range batch {
		verdict := broker.Retry()
		switch {
		case panicked != nil && len(batch) == 1:
			verdict = it.panicked(panicked)
		case i < len(verdicts) && !held[it.Key]:
			verdict = verdicts[i]
		}
		if s.carryOut(it, verdict) {
			settled = true
			continue
		}
		held[it.Key] = true
		b.metrics.retried.Inc()
	}
	if panicked != nil {
		s.isolate = true
	}
	return settled
}

// panicked counts a panic that this message alone has caused.
func (it *item) panicked(value any) broker.Verdict {
	if it.panics++; it.panics < panicLimit {
		return broker.Retry()
	}
	return broker.DeadLetter(fmt.Sprintf("the handler panicked %d times, the last time with: %v", it.panics, value))
}

// call runs the handler, and gives the value of its panic if it does.
func (s *subscription) call(deliveries []broker.Delivery) (verdicts []broker.Verdict, panicked any) {
	defer func() {
		if panicked = recover(); panicked != nil {
			s.broker.options.Logger.Error("the handler of a queue panicked",
				"directory", s.broker.dir, "messages", len(deliveries), "panic", panicked, "stack", string(debug.Stack()))
		}
	}()
	return s.handler(s.handling, deliveries), nil
}

// carryOut tells whether the message is settled.
func (s *subscription) carryOut(it *item, verdict broker.Verdict) bool {
	b := s.broker
	if reason, dead := verdict.Dead(); dead {
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		defer cancel()
		err := b.dead.add(ctx, broker.DeadMessage{Message: it.Message, Reason: cutReason(reason), At: b.options.Now()})
		if err != nil {
			b.options.Logger.Error("a message was not set aside; it comes again", "directory", b.dir, "id", it.ID, "error", err)
			return false
		}
		b.metrics.dead.Inc()
	} else if !verdict.Acked() {
		return false
	}
	b.backlog.settle(it)
	return true
}

// maxReasonBytes keeps a dead letter of the largest message within a record.
const maxReasonBytes = 512

func cutReason(reason string) string {
	if len(reason) <= maxReasonBytes {
		return reason
	}
	return reason[:maxReasonBytes]
}

// advance remembers how far everything is settled, and frees what is before.
func (s *subscription) advance() {
	b := s.broker
	settled, moved := b.backlog.advance()
	if !moved {
		return
	}
	err := b.state.setSettled(settled)
	if trim := b.journal.settle(settled); err == nil && trim {
		// A segment that is gone must not be looked for after a power cut.
		if err = b.state.sync(); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
			defer cancel()
			err = b.journal.trim(ctx)
		}
	}
	if err != nil {
		b.options.Logger.Error("what was settled was not removed from the queue", "directory", b.dir, "error", err)
	}
}

// backOff waits between two attempts, for half to all of a time that doubles
// with each failure.
func (s *subscription) backOff() {
	o := s.broker.options
	wait := o.RetryMax
	if shift := s.failures - 1; shift < 32 && o.RetryMin<<shift < o.RetryMax {
		wait = o.RetryMin << shift
	}
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1)) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopping.Done():
	}
}
