package amqp

import "github.com/prometheus/client_golang/prometheus"

// metrics are what this broker alone knows; what every broker does is counted
// around it.
type metrics struct {
	reconnects  *prometheus.CounterVec
	republished prometheus.Counter
	returned    prometheus.Counter
	handedOver  prometheus.Counter

	registered []prometheus.Collector
}

func newMetrics() *metrics {
	return &metrics{
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_broker_reconnects_total",
			Help: "Connections to RabbitMQ that broke, by what they were for.",
		}, []string{"connection"}),
		republished: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_broker_republished_total",
			Help: "Messages that were published again, since the connection broke before they were confirmed.",
		}),
		returned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_broker_returned_total",
			Help: "Times that a partition's queue was missing on RabbitMQ when a message was published.",
		}),
		handedOver: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_broker_partitions_handed_over_total",
			Help: "Partitions that this process left to another one, since it had more than its share.",
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer, b *Broker) {
	if r == nil {
		return
	}
	blocked := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "trivet_broker_blocked",
		Help: "1 while RabbitMQ takes no messages because it has run out of memory or disk, else 0.",
	}, func() float64 {
		if b.publishing.alarmed() {
			return 1
		}
		return 0
	})
	m.registered = []prometheus.Collector{m.reconnects, m.republished, m.returned, m.handedOver, blocked}
	r.MustRegister(m.registered...)
}

func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
}
