package amqp

import (
	"context"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
)

// link keeps one connection for those that share it, and makes it again when it
// has broken and somebody needs it.
type link struct {
	broker *Broker
	name   string // what it is for, in logs and metrics

	// turn is held by whoever looks at the fields below: a lock that can be
	// waited for with a context.
	turn     chan struct{}
	current  *connection
	lastErr  error // of the last attempt
	failures int   // attempts in a row without a connection that lasted
	since    time.Time
}

func newLink(b *Broker, name string) *link {
	return &link{broker: b, name: name, turn: make(chan struct{}, 1)}
}

// get gives the connection, and waits for as long as there is none. The error
// is ctx's, with the reason why there is none, or broker.ErrClosed.
func (l *link) get(ctx context.Context) (*connection, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.broker.closing.Done():
		return nil, broker.ErrClosed
	}
	for {
		if l.broker.isClosed() {
			return nil, broker.ErrClosed
		}
		if l.current != nil && !l.current.IsClosed() {
			return l.current, nil
		}
		if err := l.connect(ctx); err != nil {
			return nil, err
		}
	}
}

// dial makes the first connection, without a second attempt.
func (l *link) dial(ctx context.Context) (*connection, error) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	conn, err := dial(ctx, l.broker.options, l.name)
	if err != nil {
		return nil, err
	}
	l.current, l.since = conn, time.Now()
	return conn, nil
}

// connect makes one attempt after the time that is due, and fails only when
// nobody waits for it any more.
func (l *link) connect(ctx context.Context) error {
	o := l.broker.options
	if l.current != nil {
		if time.Since(l.since) > o.ReconnectMax {
			l.failures = 0 // it has worked
		}
		l.current = nil
		l.broker.metrics.reconnects.WithLabelValues(l.name).Inc()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.broker.closing, cancel)()
	if !sleep(ctx, backOff(l.failures, o.ReconnectMin, o.ReconnectMax)) {
		return l.unconnected(ctx)
	}
	l.failures++
	attempt, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	conn, err := dial(attempt, o, l.name)
	if err != nil {
		if ctx.Err() != nil {
			return l.unconnected(ctx)
		}
		if l.lastErr == nil || l.lastErr.Error() != err.Error() {
			o.Logger.Error("RabbitMQ cannot be reached; trying again", "connection", l.name, "error", err)
		}
		l.lastErr = err
		return nil
	}
	if l.lastErr != nil || l.failures > 1 {
		o.Logger.Info("connected to RabbitMQ again", "connection", l.name)
	}
	l.current, l.since, l.lastErr = conn, time.Now(), nil
	return nil
}

func (l *link) unconnected(ctx context.Context) error {
	switch {
	case l.broker.isClosed():
		return broker.ErrClosed
	case l.lastErr != nil:
		return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), l.lastErr)
	}
	return ctx.Err()
}

// alarmed tells whether the server has an alarm. It does not wait for a
// connection.
func (l *link) alarmed() bool {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
		return l.current != nil && !l.current.IsClosed() && l.current.alarm.Load()
	default:
		return false
	}
}

// close is called once the broker is closing.
func (l *link) close() {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.current != nil {
		l.current.end()
	}
}
