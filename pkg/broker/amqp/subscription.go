package amqp

import (
	"context"
	"fmt"
	"sync"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

// subscription is a handler at work on all partitions.
type subscription struct {
	broker  *Broker
	handler broker.Handler

	stopping context.Context //nolint:containedctx // ends delivery
	stop     context.CancelFunc
	handling context.Context //nolint:containedctx // is the handler's
	cut      context.CancelFunc
	done     chan struct{}

	consumers []*consumer
}

func newSubscription(b *Broker, h broker.Handler) *subscription {
	s := &subscription{broker: b, handler: h, done: make(chan struct{})}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.handling, s.cut = context.WithCancel(context.Background())
	for i := range b.options.Partitions {
		s.consumers = append(s.consumers, newConsumer(s, i))
	}
	return s
}

func (s *subscription) start() {
	var wg sync.WaitGroup
	for _, c := range s.consumers {
		wg.Go(c.run)
	}
	wg.Go(s.balance)
	go func() {
		wg.Wait()
		s.end()
	}()
}

func (s *subscription) end() {
	s.stop()
	s.cut()
	s.broker.mu.Lock()
	s.broker.subscription = nil
	s.broker.mu.Unlock()
	close(s.done)
}

// Stop lets the batches under way be handled. The handler's context ends only
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

// look asks for a partition's queue, by way of the consumer where there is one.
func (s *subscription) look(v *view, queue string, partition int) (amqp091.Queue, error) {
	if s != nil {
		if q, ok := s.consumers[partition].look(); ok {
			return q, nil
		}
	}
	return v.queue(queue)
}
