package amqp

import (
	"context"

	"github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/broker"
)

// view asks the server what there is. A question that the server answers with
// no ends the channel, so it opens another one for the next question.
type view struct {
	conn    *connection
	channel *amqp091.Channel
}

func (v *view) open() (*amqp091.Channel, error) {
	if v.channel != nil && !v.channel.IsClosed() {
		return v.channel, nil
	}
	ch, err := v.conn.Channel()
	if err != nil {
		return nil, reply(err)
	}
	v.channel = ch
	return ch, nil
}

func (v *view) close() {
	if v.channel != nil {
		v.conn.closeChannel(v.channel)
	}
}

// queue gives how many messages are ready in a queue and how many consumers it
// has.
func (v *view) queue(name string) (amqp091.Queue, error) {
	ch, err := v.open()
	if err != nil {
		return amqp091.Queue{}, err
	}
	q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	return q, reply(err)
}

// has tells whether there is a queue.
func (v *view) has(name string) (bool, error) {
	ch, err := v.open()
	if err != nil {
		return false, err
	}
	_, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if isReply(err, amqp091.NotFound) {
		return false, nil
	}
	return err == nil, reply(err)
}

func (v *view) exchange(name string) error {
	ch, err := v.open()
	if err != nil {
		return err
	}
	return reply(ch.ExchangeDeclarePassive(name, amqp091.ExchangeDirect, true, false, false, false, nil))
}

// read takes a message of a queue, which it hands back.
func (v *view) read(name string) error {
	ch, err := v.open()
	if err != nil {
		return err
	}
	_, _, err = ch.Get(name, false)
	return reply(err)
}

// inspector asks questions one after another on a channel that stays open.
type inspector struct {
	link *link
	turn chan struct{} // held by the question under way
	view *view
}

func newInspector(l *link) *inspector {
	return &inspector{link: l, turn: make(chan struct{}, 1)}
}

// look runs questions. It returns with ctx although the client library would
// wait longer; the next questions then wait for the library.
func (i *inspector) look(ctx context.Context, questions func(*view) error) error {
	if i.link.broker.isClosed() {
		return broker.ErrClosed
	}
	select {
	case i.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	answered := make(chan error, 1)
	go func() {
		defer func() { <-i.turn }()
		answered <- i.ask(ctx, questions)
	}()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *inspector) ask(ctx context.Context, questions func(*view) error) error {
	conn, err := i.link.get(ctx)
	if err != nil {
		return err
	}
	if i.view == nil || i.view.conn != conn {
		i.view = &view{conn: conn}
	}
	return questions(i.view)
}
