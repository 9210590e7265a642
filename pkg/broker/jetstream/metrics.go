package jetstream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the embedded journal alone knows; what every broker does is
// counted around it.
type metrics struct {
	syncs   prometheus.Counter
	confirm prometheus.Histogram

	registered []prometheus.Collector
}

func newMetrics() *metrics {
	return &metrics{
		syncs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_broker_syncs_total",
			Help: "Writes that were synced to disk; each holds the messages that were published together.",
		}),
		confirm: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_broker_confirm_seconds",
			Help:    "Time of a synced write.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 14),
		}),
	}
}

func (m *metrics) confirmed(took time.Duration) {
	m.syncs.Inc()
	m.confirm.Observe(took.Seconds())
}

func (m *metrics) register(r prometheus.Registerer, b *Broker) {
	if r == nil {
		return
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "trivet_broker_queue_bytes",
		Help: "Size of the queue on disk, settled messages included until they are removed.",
	}, func() float64 { return float64(b.journal.bytes()) })
	m.registered = []prometheus.Collector{m.syncs, m.confirm, size}
	r.MustRegister(m.registered...)
}

func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
}
