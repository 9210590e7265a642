package signal_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/amqp"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/pkg/testserver"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// kedacore/keda#5832: messages in quorum queues were not seen.
func TestMessagesInQuorumQueuesAreSeen(t *testing.T) {
	t.Parallel()
	at, err := url.Parse(testserver.SharedRabbitMQ(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := at.User.Password()
	server := amqp.Server{Addresses: []string{at.Host}, VirtualHost: "/", User: at.User.Username(), Password: password}
	queues, err := amqp.Open(t.Context(), amqp.Options{
		Server: func(context.Context) (amqp.Server, error) { return server, nil },
		Queue:  "autoscaled", Partitions: 3, Declare: true, // quorum queues are the default
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queues.Close() })
	registry := prometheus.NewRegistry()
	watched := telemetry.InstrumentBroker(queues, registry)
	const messages = 40
	for i := range messages {
		if err := watched.Publish(t.Context(), broker.Message{ID: fmt.Sprint(i), Key: fmt.Sprint(i), Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	metrics := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(metrics.Close)
	s := source()
	await(t, "all messages are seen", func() bool {
		q := s.Collect(t.Context(), []signal.Pod{{Name: "consumer", URL: metrics.URL}}).Queue
		return q != nil && q.Ready == messages && q.Unsettled == 0
	})
}

// kedacore/keda#638, #1325: what consumers hold was invisible. Each process
// knows of its own messages only.
func TestWhatEachConsumerHoldsAddsUp(t *testing.T) {
	t.Parallel()
	holds := func(ready, unsettled float64) signal.Pod {
		return pod(t, fmt.Sprintf(`# TYPE trivet_broker_up gauge
trivet_broker_up 1
# TYPE trivet_broker_ready_messages gauge
trivet_broker_ready_messages %v
# TYPE trivet_broker_unsettled_messages gauge
trivet_broker_unsettled_messages %v
`, ready, unsettled))
	}
	// 100 wait at the server; the processes were sent 0, 30 and 50 besides.
	load := source().Collect(t.Context(), []signal.Pod{holds(100, 64), holds(130, 64), holds(150, 10)})
	if q := load.Queue; q == nil || q.Ready != 180 || q.Unsettled != 138 {
		t.Errorf("got %+v, want 180 ready and 138 unsettled", load.Queue)
	}
}
