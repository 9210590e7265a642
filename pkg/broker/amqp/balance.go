package amqp

import (
	"context"

	"github.com/rabbitmq/amqp091-go"
)

// balance spreads the partitions over the processes that consume. The server
// hands the messages of a queue to whoever asked first, so a process that starts
// later would have nothing to do; the one that has more than its share leaves
// some to it, and asks again behind it.
func (s *subscription) balance() {
	interval := s.broker.options.BalanceInterval
	before := make([]int64, len(s.consumers))
	p := &presence{subscription: s}
	defer p.end()
	for p.show() == nil && sleep(s.stopping, backOff(1, interval, interval)) {
		active := s.activeSince(before)
		processes, err := s.processes()
		if err != nil || processes < 2 {
			continue
		}
		share := (len(s.consumers) + processes - 1) / processes
		for len(active) > share {
			active[0].leave()
			active = active[1:]
		}
	}
}

// presence is a consumer of the queue that is always empty: the server counts
// one for each process. Of a partition's queue it would count the active one
// alone.
type presence struct {
	*subscription
	conn    *connection
	channel *amqp091.Channel
}

// show consumes if it does not already. The error is that of a subscription
// that stops; others are tried again at the next call.
func (p *presence) show() error {
	if p.channel != nil && !p.channel.IsClosed() {
		return nil
	}
	p.channel = nil
	conn, err := p.broker.consuming.get(p.stopping)
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil //nolint:nilerr // the connection has just ended
	}
	if _, err := ch.Consume(p.broker.topology.record(), "", false, false, false, false, nil); err != nil {
		p.broker.options.Logger.Warn("this process is not counted among those that consume", "error", reply(err))
		conn.closeChannel(ch)
		return nil
	}
	p.conn, p.channel = conn, ch
	return nil
}

func (p *presence) end() {
	if p.channel != nil {
		p.conn.closeChannel(p.channel)
	}
}

// activeSince gives the consumers that have handled messages since the last
// call, to which before belongs.
func (s *subscription) activeSince(before []int64) []*consumer {
	var active []*consumer
	for i, c := range s.consumers {
		handled := c.handled.Load()
		if handled != before[i] {
			active = append(active, c)
		}
		before[i] = handled
	}
	return active
}

// processes counts those that consume.
func (s *subscription) processes() (int, error) {
	ctx, cancel := context.WithTimeout(s.stopping, s.broker.options.DialTimeout)
	defer cancel()
	n := 0
	err := s.broker.inspector.look(ctx, func(v *view) error {
		q, err := v.queue(s.broker.topology.record())
		n = q.Consumers
		return err
	})
	return n, err
}

// leave ends the consumer's channel after the batch under way.
func (c *consumer) leave() {
	select {
	case c.handOver <- struct{}{}:
	default:
	}
}
