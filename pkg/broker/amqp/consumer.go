package amqp

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

const (
	// A message on which the handler panics so many times is set aside.
	panicLimit = 5

	// A channel whose first message was delivered so often before is suspect:
	// something in it may end the process. It is read one message at a time, so
	// that only that one's deliveries count up to the limit.
	suspectDeliveries = 5

	// setAsideTimeout bounds the storing of a dead letter; after it, the message
	// comes again.
	setAsideTimeout = 10 * time.Second
)

// Reasons for which a consumer ends its channel and opens another one.
var (
	errStopped    = errors.New("the subscription stops")
	errHandedOver = errors.New("another process takes the partition over")
	errPrefetch   = errors.New("another number of messages is to be held")
	errCancelled  = errors.New("the server has ended the channel")
)

// consumer hands the messages of one partition to the handler. Its channel's
// end, for whatever reason, gives what has no verdict back to the server, which
// delivers it again in its order: so nothing is ever handed back by itself.
type consumer struct {
	*subscription
	queue string

	window  window
	arrived chan struct{} // has a token when the window may have more

	calls   sync.Mutex       // one call waits for the server's answer at a time
	channel *amqp091.Channel // nil: it does not consume

	handOver chan struct{} // has a token when the partition is to be left to another process
	handled  atomic.Int64  // messages since the start

	prefetch int  // of the next channel
	isolate  bool // the handler panicked on a batch: deliver one by one to find the cause
	failures int  // rounds, or channels, in a row in which nothing was settled
}

func newConsumer(s *subscription, partition int) *consumer {
	return &consumer{
		subscription: s,
		queue:        s.broker.topology.queue(partition),
		arrived:      make(chan struct{}, 1),
		handOver:     make(chan struct{}, 1),
		prefetch:     s.broker.options.Prefetch,
	}
}

// run goes from channel to channel until the subscription stops.
func (c *consumer) run() {
	for c.stopping.Err() == nil {
		err := c.session()
		c.window.clear()
		switch {
		case errors.Is(err, errHandedOver):
			c.broker.metrics.handedOver.Inc()
		case errors.Is(err, errPrefetch), c.stopping.Err() != nil:
		default:
			c.failures++
			c.broker.options.Logger.Warn("a partition is not consumed; trying again", "queue", c.queue, "error", err)
			c.pause()
		}
	}
}

// pause waits between two attempts.
func (c *consumer) pause() {
	sleep(c.stopping, backOff(c.failures, c.broker.options.RetryMin, c.broker.options.RetryMax))
}

// session consumes on one channel and tells why it ended.
func (c *consumer) session() error {
	conn, err := c.broker.consuming.get(c.stopping)
	if err != nil {
		return err
	}
	ch, deliveries, err := c.open(conn)
	if err != nil {
		return reply(err)
	}
	received := make(chan struct{})
	suspect := make(chan bool, 1) // what the first delivery says
	go func() {
		defer close(received)
		c.receive(deliveries, suspect)
	}()
	err = c.work(ch, received, suspect)
	c.end(conn, ch)
	<-received
	return err
}

// open begins to consume. Nobody looks at the queue meanwhile: messages may be
// on their way here.
func (c *consumer) open(conn *connection) (*amqp091.Channel, <-chan amqp091.Delivery, error) {
	c.calls.Lock()
	defer c.calls.Unlock()
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	var deliveries <-chan amqp091.Delivery
	if err = ch.Qos(c.prefetch, 0, false); err == nil {
		deliveries, err = ch.Consume(c.queue, "", false, false, false, false, nil)
	}
	if err != nil {
		conn.closeChannel(ch)
		return nil, nil, err
	}
	c.channel = ch
	return ch, deliveries, nil
}

// end closes the channel, after the call that may be waiting on it; a server
// that does not answer that one is left.
func (c *consumer) end(conn *connection, ch *amqp091.Channel) {
	timer := time.AfterFunc(farewell, conn.cut)
	defer timer.Stop()
	c.calls.Lock()
	defer c.calls.Unlock()
	c.channel = nil
	conn.closeChannel(ch)
}

// look asks for the queue on the channel on which its messages come. The server
// answers a second question behind everything that it had on the way when it
// answered the first one, so that nothing is between the queue and the window.
func (c *consumer) look() (q amqp091.Queue, ok bool) {
	c.calls.Lock()
	defer c.calls.Unlock()
	if c.channel == nil || c.channel.IsClosed() {
		return q, false
	}
	q, err := c.channel.QueueDeclarePassive(c.queue, true, false, false, false, nil)
	if err == nil {
		_, err = c.channel.QueueDeclarePassive(c.queue, true, false, false, false, nil)
	}
	return q, err == nil
}

// receive fills the window, whose size the prefetch bounds, until the channel
// ends.
func (c *consumer) receive(deliveries <-chan amqp091.Delivery, suspect chan<- bool) {
	for first := true; ; first = false {
		d, ok := <-deliveries
		if !ok {
			return
		}
		if first {
			count, _ := d.Headers["x-delivery-count"].(int64)
			suspect <- count >= suspectDeliveries
		}
		c.window.add(newItem(d))
		select {
		case c.arrived <- struct{}{}:
		default:
		}
	}
}

// work hands out what the window has until the channel ends, the subscription
// stops, or the partition is to be left to another process.
func (c *consumer) work(ch *amqp091.Channel, received <-chan struct{}, suspect <-chan bool) error {
	one := c.prefetch == 1
	for {
		if len(c.window.pending()) == 0 {
			c.isolate = false
			select {
			case <-c.arrived:
			case <-received:
				return errCancelled
			case <-c.handOver:
				return errHandedOver
			case <-c.stopping.Done():
				return errStopped
			}
		}
		select {
		case <-received:
			return errCancelled // what is held is delivered again, to whatever process
		case is := <-suspect:
			if is && !one {
				c.prefetch = 1
				return errPrefetch
			}
			if !is {
				// What is held is handled first: to give it back would count.
				c.prefetch = c.broker.options.Prefetch
			}
		default:
		}
		settled, held := c.round()
		if err := c.acknowledge(ch); err != nil {
			return err
		}
		if settled {
			c.failures = 0
		}
		if held {
			c.failures++
			c.pause()
		}
		switch {
		case c.stopping.Err() != nil:
			return errStopped
		case one && c.prefetch != 1 && len(c.window.pending()) == 0:
			return errPrefetch
		}
		select {
		case <-c.handOver:
			return errHandedOver
		default:
		}
	}
}

// acknowledge tells the server what is settled.
func (c *consumer) acknowledge(ch *amqp091.Channel) error {
	upTo, single := c.window.takeSettled()
	if upTo != 0 {
		if err := ch.Ack(upTo, true); err != nil {
			return reply(err)
		}
	}
	for _, tag := range single {
		if err := ch.Ack(tag, false); err != nil {
			return reply(err)
		}
	}
	return nil
}

// round hands out what has no verdict, and tells whether anything has one now,
// and whether anything has to come again.
func (c *consumer) round() (settled, again bool) {
	items := c.window.pending()
	isolate, size := c.isolate, c.broker.options.Prefetch
	if isolate {
		size = 1
	}
	// A key with a message that has to come again gets none of its later ones
	// before that.
	held := make(map[string]bool)
	for len(items) > 0 && c.stopping.Err() == nil {
		var batch []*item
		batch, items = nextBatch(items, size, held)
		if c.handle(batch, held) {
			settled = true
		}
		if len(held) > 0 && !isolate {
			break
		}
	}
	return settled, len(held) > 0
}

// nextBatch takes up to size items, and passes over those of held keys: there
// may be none left. Behind a message that comes again, its key gets none that
// has not been handed out yet.
func nextBatch(items []*item, size int, held map[string]bool) (batch, rest []*item) {
	retried := make(map[string]bool)
	for i, it := range items {
		if it.attempts > 0 {
			retried[it.Key] = true
		}
		if held[it.Key] || it.attempts == 0 && retried[it.Key] {
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
func (c *consumer) handle(batch []*item, held map[string]bool) (settled bool) {
	batch, settled = c.withoutForeign(batch)
	if len(batch) == 0 {
		return settled
	}
	verdicts, panicked := c.call(c.window.deliver(batch))
	c.handled.Add(int64(len(batch)))
	for i, it := range batch {
		verdict := broker.Retry()
		switch {
		case panicked != nil && len(batch) == 1:
			verdict = it.panicked(panicked)
		case i < len(verdicts) && !held[it.Key]:
			verdict = verdicts[i]
		}
		if c.carryOut(it, verdict) {
			settled = true
			continue
		}
		held[it.Key] = true
	}
	if panicked != nil {
		c.isolate = true
	}
	return settled
}

// withoutForeign sets aside what somebody else has put into the queue.
func (c *consumer) withoutForeign(batch []*item) (rest []*item, settled bool) {
	for _, it := range batch {
		if it.foreign == nil {
			rest = append(rest, it)
			continue
		}
		settled = c.carryOut(it, broker.DeadLetter(it.foreign.Error())) || settled
	}
	return rest, settled
}

// panicked counts a panic that this message alone has caused.
func (it *item) panicked(value any) broker.Verdict {
	if it.panics++; it.panics < panicLimit {
		return broker.Retry()
	}
	return broker.DeadLetter(fmt.Sprintf("the handler panicked %d times, the last time with: %v", it.panics, value))
}

// call runs the handler, and gives the value of its panic if it does.
func (c *consumer) call(deliveries []broker.Delivery) (verdicts []broker.Verdict, panicked any) {
	defer func() {
		if panicked = recover(); panicked != nil {
			c.broker.options.Logger.Error("the handler of a queue panicked",
				"queue", c.queue, "messages", len(deliveries), "panic", panicked, "stack", string(debug.Stack()))
		}
	}()
	return c.handler(c.handling, deliveries), nil
}

// carryOut tells whether the message is settled.
func (c *consumer) carryOut(it *item, verdict broker.Verdict) bool {
	if reason, dead := verdict.Dead(); dead {
		ctx, cancel := context.WithTimeout(c.handling, setAsideTimeout)
		defer cancel()
		if err := c.broker.setAside(ctx, it, reason); err != nil {
			c.broker.options.Logger.Error("a message was not set aside; it comes again", "queue", c.queue, "id", it.ID, "error", err)
			return false
		}
	} else if !verdict.Acked() {
		return false
	}
	c.window.settle(it)
	return true
}
