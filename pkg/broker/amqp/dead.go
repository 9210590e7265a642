package amqp

import (
	"context"
	"fmt"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

// setAside publishes a dead letter and returns once it is confirmed.
func (b *Broker) setAside(ctx context.Context, it *item, reason string) error {
	err := b.publisher.publish(ctx, []outgoing{{
		exchange: b.topology.dead(),
		message:  deadPublishing(it.ID, it.raw, reason, b.options.Now()),
	}})
	if err != nil {
		return fmt.Errorf("store a dead letter: %w", err)
	}
	b.options.Logger.Warn("a message was set aside as a dead letter", "id", it.ID, "reason", reason)
	return nil
}

// DeadLetters gives the latest messages that were set aside, oldest first. They
// are kept for 30 days, and up to 1 GiB of them. The server has no way to look
// at a queue: it hands out all of them, and gets them back.
func (b *Broker) DeadLetters(ctx context.Context, limit int) ([]broker.DeadMessage, error) {
	conn, err := b.consuming.get(ctx)
	if err != nil {
		return nil, err
	}
	letters, err := within(ctx, conn, func() ([]broker.DeadMessage, error) { return b.readDead(ctx, conn, limit) })
	if err != nil {
		return nil, fmt.Errorf("read the dead letters: %w", reply(err))
	}
	return letters, nil
}

// readDead reads as many letters as there are, on a channel whose end hands
// them back. When somebody else reads at the same time, the server lets one
// wait for the other.
func (b *Broker) readDead(ctx context.Context, conn *connection, limit int) ([]broker.DeadMessage, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	defer conn.closeChannel(ch)
	q, err := b.awaitReader(ctx, ch)
	if err != nil || q.Messages == 0 || limit <= 0 {
		return nil, err
	}
	deliveries, err := ch.Consume(q.Name, "", false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	var letters []broker.DeadMessage
	for range q.Messages {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return nil, amqp091.ErrClosed
			}
			if letters = append(letters, decodeDead(d)); len(letters) > limit {
				letters[0] = broker.DeadMessage{} // its body is not needed any more
				letters = letters[1:]
			}
		case <-time.After(deadPatience):
			return letters, nil // some have reached their age meanwhile
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return letters, nil
}

// deadPatience is how long the next letter may take.
const deadPatience = 2 * time.Second

// awaitReader waits until nobody reads the dead letters, and counts them.
func (b *Broker) awaitReader(ctx context.Context, ch *amqp091.Channel) (amqp091.Queue, error) {
	for failures := 1; ; failures++ {
		q, err := ch.QueueDeclarePassive(b.topology.dead(), true, false, false, false, nil)
		if err != nil || q.Consumers == 0 {
			return q, err
		}
		if !sleep(ctx, backOff(failures, b.options.RetryMin, b.options.RetryMax)) {
			return q, ctx.Err()
		}
	}
}
