package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// heartbeat is how soon a connection without traffic is taken for broken: by
// the server after about twice as long, by this side after one and a half times.
const heartbeat = 6 * time.Second

// farewell bounds an orderly end: a server that does not answer is left.
const farewell = 2 * time.Second

// connection is a connection to the server.
type connection struct {
	*amqp091.Connection
	socket net.Conn

	// The server has run out of memory or disk, and reads nothing from
	// connections that publish.
	alarm        atomic.Bool
	alarmChanged chan struct{} // has a token when it may have
}

// dial makes a connection to the first node that takes one, from a random one
// on, so that processes spread over a cluster.
func dial(ctx context.Context, o Options, name string) (*connection, error) {
	server, err := o.Server(ctx)
	if err != nil {
		return nil, err
	}
	err = errors.New("the server has no address")
	for i, start := 0, rand.IntN(max(len(server.Addresses), 1)); i < len(server.Addresses); i++ { //nolint:gosec // a choice
		address := server.Addresses[(start+i)%len(server.Addresses)]
		var conn *connection
		if conn, err = dialNode(ctx, server, address, name); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func dialNode(ctx context.Context, server Server, address, name string) (*connection, error) {
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	// The client library's handshake knows no context.
	cut := context.AfterFunc(ctx, func() { _ = socket.Close() })
	conn, err := shakeHands(ctx, socket, server, address, name)
	if !cut() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = socket.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer in time: %w", ctx.Err())
		}
		return nil, fmt.Errorf("sign in to RabbitMQ at %s: %w", address, explain(err))
	}
	return conn, nil
}

func shakeHands(ctx context.Context, socket net.Conn, server Server, address, name string) (*connection, error) {
	transport := socket
	if server.TLS != nil {
		config := server.TLS.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		secure := tls.Client(socket, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		transport = secure
	}
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName("trivet " + name)
	conn, err := amqp091.Open(transport, amqp091.Config{
		SASL:       []amqp091.Authentication{&amqp091.PlainAuth{Username: server.User, Password: server.Password}},
		Vhost:      server.VirtualHost,
		Heartbeat:  heartbeat,
		FrameSize:  128 << 10,
		Locale:     "en_US",
		Properties: properties,
	})
	if err != nil {
		return nil, err
	}
	c := &connection{Connection: conn, socket: socket, alarmChanged: make(chan struct{}, 1)}
	go c.watchAlarms(conn.NotifyBlocked(make(chan amqp091.Blocking, 1)))
	return c, nil
}

// watchAlarms ends when the connection does.
func (c *connection) watchAlarms(alarms <-chan amqp091.Blocking) {
	for alarm := range alarms {
		c.alarm.Store(alarm.Active)
		select {
		case c.alarmChanged <- struct{}{}:
		default:
		}
	}
}

// explain says in words what the library says in codes.
func explain(err error) error {
	if errors.Is(err, amqp091.ErrCredentials) {
		return errors.New("the user name or the password is wrong")
	}
	return reply(err)
}

// cut ends the connection at once.
func (c *connection) cut() { _ = c.socket.Close() }

// end ends the connection once the server has all that was sent, if it answers.
func (c *connection) end() {
	_ = c.CloseDeadline(time.Now().Add(farewell)) // it is gone, whatever the server says
	c.cut()
}

// closeChannel ends a channel: its unsettled messages go back to the server.
func (c *connection) closeChannel(ch *amqp091.Channel) {
	timer := time.AfterFunc(farewell, c.cut)
	defer timer.Stop()
	_ = ch.Close() // it is gone, whatever the server says
}

// refusedError is a refusal that only somebody who changes the server or the
// configuration can end.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// reply makes an error of the server's own a text without the library's frame,
// and a [refusedError] where it refuses something for good.
func reply(err error) error {
	var e *amqp091.Error
	if !errors.As(err, &e) || !e.Server {
		return err
	}
	switch e.Code {
	case amqp091.AccessRefused, amqp091.NotAllowed, amqp091.PreconditionFailed, amqp091.NotFound:
		return &refusedError{e.Reason}
	}
	return errors.New(e.Reason)
}

// isReply tells whether the server has answered with the code.
func isReply(err error, code int) bool {
	var e *amqp091.Error
	return errors.As(err, &e) && e.Server && e.Code == code
}
