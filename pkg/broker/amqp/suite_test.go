package amqp_test

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/amqp"
	"github.com/trivetkv/trivet/pkg/broker/brokertest"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// server says how to reach a test server.
func server(t testing.TB, address string) func(context.Context) (amqp.Server, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return func(context.Context) (amqp.Server, error) {
		return amqp.Server{Addresses: []string{u.Host}, VirtualHost: "/", User: u.User.Username(), Password: password}, nil
	}
}

var queues atomic.Int64

// options make retries quick. Each call names queues of its own.
func options(t testing.TB, r *testserver.RabbitMQ) amqp.Options {
	t.Helper()
	return amqp.Options{
		Server:     server(t, r.URL()),
		Queue:      fmt.Sprintf("test%d", queues.Add(1)),
		Partitions: 4,
		Declare:    true,
		RetryMin:   time.Millisecond,
		RetryMax:   20 * time.Millisecond,
	}
}

func open(t testing.TB, o amqp.Options) *amqp.Broker {
	t.Helper()
	b, err := amqp.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestSuite(t *testing.T) {
	r := testserver.SharedRabbitMQ(t)
	for name, classic := range map[string]bool{"Quorum": false, "Classic": true} {
		t.Run(name, func(t *testing.T) {
			brokertest.Exercise(t, func(t *testing.T) brokertest.Harness {
				o := options(t, r)
				o.Classic = classic
				b := open(t, o)
				return brokertest.Harness{
					Broker: b,
					Reopen: func(t *testing.T) broker.Broker {
						if err := b.Close(); err != nil {
							t.Fatal(err)
						}
						b = open(t, o)
						return b
					},
				}
			})
		})
	}
}
