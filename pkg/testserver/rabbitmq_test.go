//go:build unix

package testserver_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/trivetkv/trivet/pkg/testserver"
)

func TestRabbitMQKeepsQueuesWhenItIsKilled(t *testing.T) {
	t.Parallel()
	r := testserver.NewRabbitMQ(t)
	if err := r.Ctl(t.Context(), "add_user", "somebody", "secret"); err != nil {
		t.Fatal(err)
	}
	declare := func(passive bool) {
		t.Helper()
		conn, err := amqp.Dial(r.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test is over
		ch, err := conn.Channel()
		if err != nil {
			t.Fatal(err)
		}
		queue := ch.QueueDeclare
		if passive {
			queue = ch.QueueDeclarePassive
		}
		if _, err := queue("q", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
			t.Fatal(err)
		}
	}
	declare(false)
	for _, end := range []func() error{r.Stop, func() error { r.Kill(); return nil }} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := amqp.Dial(r.URL()); err == nil {
			t.Error("it still answers")
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		declare(true)
	}
}
