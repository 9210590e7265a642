package amqp

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

const (
	// Dead letters are kept for people to look at, within these bounds.
	deadLetterAge   = 30 * 24 * time.Hour
	deadLetterBytes = 1 << 30

	// Whoever reads the dead letters hands them back, which the server counts
	// as deliveries: they need a limit that is never reached.
	deadLetterDeliveries = 1 << 30
)

// topology names what is on the server: an exchange with a queue for each
// partition, an exchange with a queue for dead letters, and a queue that is
// always empty and records the number of partitions as its greatest length.
type topology struct {
	options Options
}

func newTopology(o Options) topology { return topology{o} }

func (t topology) exchange() string      { return t.options.Queue }
func (t topology) queue(i int) string    { return t.options.Queue + "." + strconv.Itoa(i) }
func (t topology) dead() string          { return t.options.Queue + ".dead" }
func (t topology) record() string        { return t.options.Queue + ".partitions" }
func (t topology) routing(i int) string  { return strconv.Itoa(i) }
func (t topology) of(key string) (i int) { return partition(key, t.options.Partitions) }

// partition gives the place of a key, by FNV-1a. It may never change: messages
// of a key have to meet in one queue.
func partition(key string, of int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum64() % uint64(of)) //nolint:gosec // both are small
}

// prepare makes what is missing, or looks whether it is there.
func (t topology) prepare(conn *connection) error {
	if t.options.Declare {
		return t.declare(conn)
	}
	return t.verify(conn)
}

func (t topology) declare(conn *connection) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer conn.closeChannel(ch)
	// The record comes first, so that of two processes that start at once with
	// different numbers one is refused before it makes a queue.
	if _, err := ch.QueueDeclare(t.record(), true, false, false, false, t.recordArguments()); err != nil {
		if isReply(err, amqp091.PreconditionFailed) {
			return t.mismatch(conn)
		}
		return t.undeclared(t.record(), err)
	}
	if err := ch.ExchangeDeclare(t.dead(), amqp091.ExchangeFanout, true, false, false, false, nil); err != nil {
		return t.undeclared(t.dead(), err)
	}
	if err := t.declareQueue(ch, t.dead(), "", t.dead(), t.deadArguments()); err != nil {
		return err
	}
	if err := ch.ExchangeDeclare(t.exchange(), amqp091.ExchangeDirect, true, false, false, false, nil); err != nil {
		return t.undeclared(t.exchange(), err)
	}
	for i := range t.options.Partitions {
		if err := t.declareQueue(ch, t.queue(i), t.routing(i), t.exchange(), t.queueArguments()); err != nil {
			return err
		}
	}
	return nil
}

func (t topology) declareQueue(ch *amqp091.Channel, name, routing, exchange string, arguments amqp091.Table) error {
	if _, err := ch.QueueDeclare(name, true, false, false, false, arguments); err != nil {
		return t.undeclared(name, err)
	}
	if err := ch.QueueBind(name, routing, exchange, false, nil); err != nil {
		return t.undeclared(name, err)
	}
	return nil
}

func (t topology) undeclared(name string, err error) error {
	if isReply(err, amqp091.PreconditionFailed) {
		return fmt.Errorf("%s is on the server with other settings than it needs: %w", name, reply(err))
	}
	return fmt.Errorf("declare %s on RabbitMQ: %w", name, reply(err))
}

func (t topology) recordArguments() amqp091.Table {
	return amqp091.Table{"x-max-length": int64(t.options.Partitions)}
}

// queueArguments make a queue that keeps what it has taken: over its length it
// refuses, and over the delivery limit it hands messages to the dead letters
// and forgets them only when they are there.
func (t topology) queueArguments() amqp091.Table {
	arguments := amqp091.Table{
		"x-queue-type":             "quorum",
		"x-single-active-consumer": true,
		"x-dead-letter-exchange":   t.dead(),
		"x-max-length-bytes":       t.options.MaxBytes / int64(t.options.Partitions),
		"x-overflow":               "reject-publish",
		"x-delivery-limit":         int64(t.options.DeliveryLimit),
		"x-dead-letter-strategy":   "at-least-once",
	}
	if t.options.Classic {
		arguments["x-queue-type"] = "classic"
		delete(arguments, "x-delivery-limit")
		delete(arguments, "x-dead-letter-strategy")
	}
	return arguments
}

func (t topology) deadArguments() amqp091.Table {
	arguments := amqp091.Table{
		"x-queue-type":             "quorum",
		"x-single-active-consumer": true, // one reader at a time sees all of them
		"x-max-length-bytes":       int64(deadLetterBytes),
		"x-message-ttl":            deadLetterAge.Milliseconds(),
		"x-delivery-limit":         int64(deadLetterDeliveries),
	}
	if t.options.Classic {
		arguments["x-queue-type"] = "classic"
		delete(arguments, "x-delivery-limit")
	}
	return arguments
}

// verify looks whether the queues are there, exactly as many as there are
// partitions.
func (t topology) verify(conn *connection) error {
	v := &view{conn: conn}
	defer v.close()
	for _, name := range []string{t.record(), t.dead(), t.queue(0)} {
		if _, err := v.queue(name); err != nil {
			return fmt.Errorf("the queue %s cannot be used, and making queues is not allowed here: %w", name, err)
		}
	}
	if err := v.exchange(t.exchange()); err != nil {
		return fmt.Errorf("the exchange %s cannot be used, and making exchanges is not allowed here: %w", t.exchange(), err)
	}
	last, err := v.has(t.queue(t.options.Partitions - 1))
	if err != nil {
		return err
	}
	next, err := v.has(t.queue(t.options.Partitions))
	if err != nil {
		return err
	}
	if !last || next {
		return t.mismatch(conn)
	}
	return nil
}

// mismatch tells how many partitions there are.
func (t topology) mismatch(conn *connection) error {
	v := &view{conn: conn}
	defer v.close()
	n := 0
	for ; n <= MaxPartitions; n++ {
		found, err := v.has(t.queue(n))
		if err != nil {
			return err
		}
		if !found {
			break
		}
	}
	return fmt.Errorf("%s has %d partitions on the server, and %d are asked for: the number cannot change while there are messages", t.exchange(), n, t.options.Partitions)
}

// mayPublish publishes a message that no queue takes: whoever may not publish
// is told when it starts.
func (t topology) mayPublish(ch *amqp091.Channel) error {
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	confirm, err := ch.PublishWithDeferredConfirm(t.exchange(), "nowhere", false, false, amqp091.Publishing{})
	if err != nil {
		return reply(err)
	}
	<-confirm.Done() // at the latest when the channel closes
	if confirm.Acked() {
		return nil
	}
	if err := <-closed; err != nil {
		return reply(err)
	}
	return amqp091.ErrClosed
}
