// Package broker carries messages from the services that accept them to those
// that work on them: confirmed publishing, order per key, redelivery until a
// verdict, dead letters. broker/jetstream keeps them in this process on the
// local disk, and broker/brokertest is the suite that every implementation has
// to pass.
package broker

import (
	"context"
	"time"
)

// Message is one message to publish.
type Message struct {
	ID   string // of the sender's choice; a redelivery or a repeated publish has the same
	Key  string // messages with one key are handled in the order in which they were confirmed
	Body []byte
}

// Delivery is one message to handle.
type Delivery struct {
	Message
	Attempt     int // 1 for the first; a lower bound after a crash
	PublishedAt time.Time
}

// Verdict is what a handler decides on one delivery.
type Verdict struct {
	action action
	reason string
}

type action uint8

const (
	retry action = iota // the zero Verdict is a Retry: nothing is lost by forgetting one
	ack
	dead
)

// Ack says that the message was handled and must not come again.
func Ack() Verdict { return Verdict{action: ack} }

// Retry says that the message has to come again, before any later message
// with its key.
func Retry() Verdict { return Verdict{} }

// DeadLetter says that the message can never be handled: it is set aside with
// the reason, and later messages go on.
func DeadLetter(reason string) Verdict { return Verdict{action: dead, reason: reason} }

// Acked tells an Ack.
func (v Verdict) Acked() bool { return v.action == ack }

// Dead gives the reason of a DeadLetter, and false for other verdicts.
func (v Verdict) Dead() (string, bool) { return v.reason, v.action == dead }

// Handler handles deliveries and returns one verdict for each, in their order.
// Missing verdicts are Retry.
type Handler func(ctx context.Context, batch []Delivery) []Verdict

// DeadMessage is a message that was set aside.
type DeadMessage struct {
	Message
	Reason string
	At     time.Time
}

// Stats are numbers for scaling and alerts.
type Stats struct {
	Ready     int64 // waiting for a first delivery
	Unsettled int64 // delivered, without a verdict
	Dead      int64
	OldestAge time.Duration // of the oldest message without a verdict; 0 when there is none
}

// Broker carries the messages of one queue.
type Broker interface {
	// Publish returns once every message is confirmed: on disk at the broker,
	// and sure to be delivered. After an error each one may or may not be.
	Publish(ctx context.Context, messages ...Message) error

	// Subscribe hands deliveries to the handler, one batch at a time for each
	// key's partition, until Stop. One subscription of a broker is active.
	Subscribe(h Handler) (Subscription, error)

	// DeadLetters gives the latest messages that were set aside, oldest first.
	DeadLetters(ctx context.Context, limit int) ([]DeadMessage, error)

	Stats(ctx context.Context) (Stats, error)

	// Ping tells whether the broker answers.
	Ping(ctx context.Context) error

	// Close stops the broker; the messages it has confirmed stay.
	Close() error
}

// Subscription is a handler at work.
type Subscription interface {
	// Stop returns once no handler is running, at the latest with ctx. What
	// has no verdict is delivered again to the next subscription. It may be
	// called more than once.
	Stop(ctx context.Context) error
}
