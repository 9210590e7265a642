package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

// errUnroutable is a message that the server has handed back: its queue was
// deleted.
var errUnroutable = errors.New("no queue on RabbitMQ takes the message")

// errAway is what calls get that would have to wait for too long.
var errAway = errors.New("RabbitMQ is away, or takes no messages")

// publisher publishes what concurrent callers hand to its one goroutine, which
// alone uses the channel. A caller waits for its own confirms.
type publisher struct {
	broker *Broker
	calls  chan *publication
	done   chan struct{}

	// away is since when nothing is published, nanoseconds since 1970; 0 while
	// something is.
	away atomic.Int64
}

// publication is what a call of Publish has published in one session.
type publication struct {
	ctx      context.Context //nolint:containedctx // the call's own, looked at between its messages
	messages []outgoing
	session  *session
	written  chan struct{} // closed when all are written, or the session has ended
}

// outgoing is one message on its way.
type outgoing struct {
	exchange string
	routing  string
	message  amqp091.Publishing
	confirm  *amqp091.DeferredConfirmation // nil: it was not written
}

func newPublisher(b *Broker) *publisher {
	return &publisher{broker: b, calls: make(chan *publication), done: make(chan struct{})}
}

// Publish returns once every message is confirmed. What a connection that broke
// has not confirmed is published again under the same ID: it may be delivered
// twice.
func (b *Broker) Publish(ctx context.Context, messages ...broker.Message) error {
	now := b.options.Now()
	all := make([]outgoing, len(messages))
	for i, m := range messages {
		if size := len(m.ID) + len(m.Key) + len(m.Body); size > broker.MaxMessageBytes {
			return fmt.Errorf("message %d has %d bytes, at most %d are carried: %w", i, size, broker.MaxMessageBytes, broker.ErrTooLarge)
		}
		all[i] = outgoing{
			exchange: b.topology.exchange(),
			routing:  b.topology.routing(b.topology.of(m.Key)),
			message:  publishing(m.ID, encode(m, now)),
		}
	}
	return b.publisher.publish(ctx, all)
}

// publish repeats until everything is confirmed.
func (p *publisher) publish(ctx context.Context, messages []outgoing) error {
	if p.broker.isClosed() {
		return broker.ErrClosed
	}
	for len(messages) > 0 {
		call := &publication{ctx: ctx, messages: messages, written: make(chan struct{})}
		err := p.hand(ctx, call)
		if err != nil {
			return err
		}
		if messages, err = call.await(); err != nil {
			return err
		}
		p.broker.metrics.republished.Add(float64(len(messages)))
	}
	return nil
}

// hand gives a call to the publisher's goroutine.
func (p *publisher) hand(ctx context.Context, call *publication) error {
	patience := time.NewTimer(p.patience())
	defer patience.Stop()
	select {
	case p.calls <- call:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.broker.closing.Done():
		return broker.ErrClosed
	case <-patience.C:
		return errAway
	}
}

// patience is how long a call may wait.
func (p *publisher) patience() time.Duration {
	o := p.broker.options
	since := p.away.Load()
	if since == 0 {
		return o.AwayTimeout
	}
	return max(o.AwayTimeout-time.Since(time.Unix(0, since)), 0)
}

// setAway notes whether something is published.
func (p *publisher) setAway(away bool) {
	if !away {
		p.away.Store(0)
		return
	}
	p.away.CompareAndSwap(0, time.Now().UnixNano())
}

// await waits for the confirms, and gives the messages of which the session
// ended without saying what became of them.
func (c *publication) await() (unknown []outgoing, err error) {
	select {
	case <-c.written:
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
	for _, m := range c.messages {
		known, err := c.session.outcome(c.ctx, m)
		if err != nil {
			return nil, err
		}
		if !known {
			m.confirm = nil
			unknown = append(unknown, m)
		}
	}
	return unknown, nil
}

func (p *publisher) start(first *session) {
	go func() {
		defer close(p.done)
		p.run(first)
	}()
}

func (p *publisher) wait() { <-p.done }

// run goes from session to session until the broker closes.
func (p *publisher) run(s *session) {
	b := p.broker
	told := ""
	for failures := 0; ; {
		if s != nil {
			p.serve(s)
			s.end()
			s = nil
		}
		if !sleep(b.closing, backOff(failures, b.options.ReconnectMin, b.options.ReconnectMax)) {
			return
		}
		conn, err := b.publishing.get(b.closing)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(b.closing, b.options.ConfirmTimeout)
		s, err = within(ctx, conn, func() (*session, error) { return p.open(conn) })
		cancel()
		if err == nil {
			failures, told = 0, ""
			continue
		}
		if failures++; err.Error() != told && b.closing.Err() == nil {
			told = err.Error()
			b.options.Logger.Error("publishing to RabbitMQ is not possible; trying again", "error", err)
		}
	}
}

// serve writes publications until the session ends. While the server has an
// alarm it reads nothing, so callers wait.
func (p *publisher) serve(s *session) {
	defer p.setAway(true)
	for {
		calls := p.calls
		alarm := s.conn.alarm.Load()
		if p.setAway(alarm); alarm {
			calls = nil
		}
		select {
		case <-s.gone:
			return
		case <-p.broker.closing.Done():
			return
		case <-s.conn.alarmChanged:
		case call := <-calls:
			s.write(call)
		}
	}
}

// session is the time of one channel in confirm mode.
type session struct {
	broker  *Broker
	conn    *connection
	channel *amqp091.Channel
	returns chan amqp091.Return
	gone    chan struct{} // closed when the channel is

	// outstanding holds what was written and has no confirm, the oldest first.
	// Its capacity is the window.
	outstanding chan *amqp091.DeferredConfirmation

	mu       sync.Mutex
	returned map[string]bool // routings of messages that came back
}

// open begins a session, on queues that are sure to be there.
func (p *publisher) open(conn *connection) (*session, error) {
	b := p.broker
	if err := b.topology.prepare(conn); err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, reply(err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, reply(err)
	}
	if err := b.topology.mayPublish(ch); err != nil {
		return nil, fmt.Errorf("publish to RabbitMQ: %w", err)
	}
	s := &session{
		broker: b, conn: conn, channel: ch,
		// The library's reader waits when one of its channels is full. This one
		// never is: a return stays in it no longer than its message's confirm
		// stays in the window.
		returns:     ch.NotifyReturn(make(chan amqp091.Return, 2*b.options.Window)),
		gone:        make(chan struct{}),
		outstanding: make(chan *amqp091.DeferredConfirmation, b.options.Window),
		returned:    make(map[string]bool),
	}
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	go func() {
		defer close(s.gone)
		if err := <-closed; err != nil && b.closing.Err() == nil {
			b.options.Logger.Warn("the connection on which messages were published has ended", "reason", err.Reason)
		}
	}()
	go s.settle()
	return s, nil
}

// write publishes the messages of a call, as far as its caller is still there.
func (s *session) write(c *publication) {
	defer close(c.written)
	c.session = s
	for i := range c.messages {
		m := &c.messages[i]
		confirm, err := s.channel.PublishWithDeferredConfirmWithContext(c.ctx, m.exchange, m.routing, true, false, m.message)
		if err != nil {
			return // the session ends, or the caller has gone
		}
		m.confirm = confirm
		select {
		case s.outstanding <- confirm:
		case <-s.gone:
			return
		}
	}
}

// settle keeps the window moving, and ends a session in which a confirm never
// comes.
func (s *session) settle() {
	timeout := s.broker.options.ConfirmTimeout
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		var oldest *amqp091.DeferredConfirmation
		select {
		case oldest = <-s.outstanding:
		case <-s.gone:
			return
		}
		timer.Reset(timeout)
		for waiting := true; waiting; {
			select {
			case <-oldest.Done():
				waiting = false
			case <-s.gone:
				return
			case <-timer.C:
				if s.conn.alarm.Load() {
					timer.Reset(timeout) // they take as long as the alarm lasts
					continue
				}
				s.broker.options.Logger.Error("RabbitMQ does not confirm; connecting anew", "waited", timeout)
				s.conn.cut()
			}
		}
		s.takeReturns()
	}
}

// outcome waits for what became of a message: an error, or whether it is known
// to be in its queue.
func (s *session) outcome(ctx context.Context, m outgoing) (known bool, err error) {
	if m.confirm == nil {
		return false, ctx.Err()
	}
	select {
	case <-m.confirm.Done():
	case <-s.gone: // the library forgets confirms that are asked for while it closes
	case <-ctx.Done():
		return false, ctx.Err()
	}
	switch {
	case m.confirm.Acked():
		if s.wasReturned(m.routing) {
			return false, fmt.Errorf("publish to %s: %w", m.exchange, errUnroutable)
		}
		return true, nil
	case s.channel.IsClosed(): // which the library tells like a refusal
		return false, nil
	}
	return false, fmt.Errorf("RabbitMQ refuses the message, as it does when its queue is full: %w", broker.ErrFull)
}

// wasReturned tells whether messages have come back that went where a confirmed
// one did. The server sends a return before the confirm, and the library hands
// both on in their order, so it is here by now.
func (s *session) wasReturned(routing string) bool {
	s.takeReturns()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.returned[routing]
}

// takeReturns notes what has come back. A queue is missing then, so the next
// session looks for it.
func (s *session) takeReturns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		select {
		case r, ok := <-s.returns:
			if !ok {
				return
			}
			if !s.returned[r.RoutingKey] {
				s.returned[r.RoutingKey] = true
				s.broker.options.Logger.Error("a queue is missing on RabbitMQ; its messages came back", "exchange", r.Exchange, "routing", r.RoutingKey)
				s.broker.metrics.returned.Inc()
				s.conn.cut()
			}
		default:
			return
		}
	}
}

// end closes the channel. Confirms that were on their way are still taken.
func (s *session) end() {
	s.conn.closeChannel(s.channel)
	<-s.gone
}
