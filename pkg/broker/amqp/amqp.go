// Package amqp is a broker on RabbitMQ: a fixed number of partition queues, to
// which messages go by the hash of their key, and of each of which one process
// at a time consumes. DESIGN.md tells how order, confirms and redelivery work.
package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/trivetkv/trivet/pkg/broker"
)

// Broker is a [broker.Broker] on a RabbitMQ server or cluster. Connections that
// break are made again for as long as it is open.
type Broker struct {
	options  Options
	topology topology
	metrics  *metrics

	// The server stops reading from connections that publish when it runs out
	// of memory or disk, so what consumes has its own.
	publishing *link
	consuming  *link

	publisher *publisher
	inspector *inspector

	closing context.Context //nolint:containedctx // ends everything
	close   context.CancelFunc

	mu           sync.Mutex
	subscription *subscription // the active one

	closeOnce sync.Once
}

var _ broker.Broker = (*Broker)(nil)

// Open connects to the server, and makes the queues where the options say so or
// else looks whether they are there. Errors tell what is wrong with the server,
// the credentials or the queues.
func Open(ctx context.Context, options Options) (*Broker, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Broker{options: options, metrics: newMetrics()}
	b.closing, b.close = context.WithCancel(context.Background())
	b.topology = newTopology(b.options)
	b.publishing = newLink(b, "publish")
	b.consuming = newLink(b, "consume")
	b.inspector = newInspector(b.consuming)
	b.publisher = newPublisher(b)

	session, err := b.openFirst(ctx)
	if err != nil {
		b.close()
		b.publishing.close()
		return nil, err
	}
	b.publisher.start(session)
	b.metrics.register(b.options.Registerer, b)
	return b, nil
}

// openFirst makes the first attempt, whose error is for whoever starts the
// process. Later ones are repeated until they succeed.
func (b *Broker) openFirst(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, b.options.DialTimeout)
	defer cancel()
	conn, err := b.publishing.dial(ctx)
	if err != nil {
		return nil, err
	}
	return within(ctx, conn, func() (*session, error) { return b.publisher.open(conn) })
}

// within runs calls of the client library, which know no context, and cuts the
// connection when they take longer than ctx.
func within[T any](ctx context.Context, conn *connection, call func() (T, error)) (T, error) {
	cut := context.AfterFunc(ctx, conn.cut)
	value, err := call()
	if !cut() && err != nil {
		return value, fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return value, err
}

// Ping asks the server for one of the queues.
func (b *Broker) Ping(ctx context.Context) error {
	return b.inspector.look(ctx, func(v *view) error {
		_, err := v.queue(b.topology.record())
		return err
	})
}

// Stats asks the server how much is ready in each queue, and adds what this
// process holds of it. What others hold, and for how long, only they know.
func (b *Broker) Stats(ctx context.Context) (broker.Stats, error) {
	b.mu.Lock()
	s := b.subscription
	b.mu.Unlock()
	var stats broker.Stats
	err := b.inspector.look(ctx, func(v *view) error {
		stats = broker.Stats{}
		for i := range b.options.Partitions {
			if err := b.countPartition(v, s, i, &stats); err != nil {
				return err
			}
		}
		q, err := v.queue(b.topology.dead())
		stats.Dead = int64(q.Messages)
		return err
	})
	if err != nil {
		return broker.Stats{}, fmt.Errorf("ask RabbitMQ about its queues: %w", err)
	}
	return stats, nil
}

// countTries is how often a partition is counted from which messages come to
// this process meanwhile. Where they never stop, the sum may be off by some.
const countTries = 3

// countPartition counts what is in a queue and in this process.
func (b *Broker) countPartition(v *view, s *subscription, i int, stats *broker.Stats) error {
	ready, held := 0, holding{}
	for range countTries {
		before := held.arrived
		q, err := s.look(v, b.topology.queue(i), i)
		if err != nil {
			return err
		}
		ready = q.Messages
		if s == nil {
			break
		}
		if held = s.consumers[i].window.count(); held.arrived == before {
			break
		}
	}
	stats.Ready += int64(ready + held.waiting)
	stats.Unsettled += int64(held.unsettled)
	if !held.oldest.IsZero() {
		stats.OldestAge = max(stats.OldestAge, b.options.Now().Sub(held.oldest))
	}
	return nil
}

// Subscribe starts delivery to the handler, which is called for several
// partitions at once.
func (b *Broker) Subscribe(h broker.Handler) (broker.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isClosed() {
		return nil, broker.ErrClosed
	}
	if b.subscription != nil {
		return nil, broker.ErrSubscribed
	}
	ctx, cancel := context.WithTimeout(b.closing, b.options.DialTimeout)
	defer cancel()
	if err := b.mayConsume(ctx); err != nil {
		return nil, err
	}
	b.subscription = newSubscription(b, h)
	b.subscription.start()
	return b.subscription, nil
}

// mayConsume reads from a queue that is always empty: whoever may not is told
// when it starts, and not by a queue that is never worked off. A server that
// does not answer is no obstacle: it is waited for.
func (b *Broker) mayConsume(ctx context.Context) error {
	err := b.inspector.look(ctx, func(v *view) error { return v.read(b.topology.record()) })
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return fmt.Errorf("consume from RabbitMQ: %w", refused)
	}
	return nil
}

func (b *Broker) isClosed() bool { return b.closing.Err() != nil }

// Close ends publishing and delivery and waits for the handler, whose context
// ends. Calls that were not confirmed yet answer broker.ErrClosed.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		b.close()
		b.mu.Lock()
		s := b.subscription
		b.mu.Unlock()
		if s != nil {
			s.abort()
		}
		b.metrics.unregister(b.options.Registerer)
		b.publishing.close()
		b.consuming.close()
		b.publisher.wait()
	})
	return nil
}
