package jetstream

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// statsTimeout bounds what a scrape waits for.
const statsTimeout = 2 * time.Second

type metrics struct {
	published prometheus.Counter
	records   prometheus.Counter
	confirm   prometheus.Histogram
	delivered prometheus.Counter
	retried   prometheus.Counter
	dead      prometheus.Counter

	registered []prometheus.Collector
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &metrics{
		published: counter("trivet_broker_published_total", "Messages that were confirmed."),
		records:   counter("trivet_broker_syncs_total", "Writes that were synced to disk; each holds the messages that were published together."),
		confirm: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_broker_confirm_seconds",
			Help:    "Time of a synced write.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 14),
		}),
		delivered: counter("trivet_broker_delivered_total", "Messages handed to the handler, redeliveries included."),
		retried:   counter("trivet_broker_retried_total", "Deliveries after which the message has to come again."),
		dead:      counter("trivet_broker_dead_lettered_total", "Messages that were set aside."),
	}
}

func (m *metrics) confirmed(messages int, took time.Duration) {
	m.published.Add(float64(messages))
	m.records.Inc()
	m.confirm.Observe(took.Seconds())
}

func (m *metrics) register(r prometheus.Registerer, b *Broker) {
	if r == nil {
		return
	}
	m.registered = []prometheus.Collector{
		m.published, m.records, m.confirm, m.delivered, m.retried, m.dead, statsCollector{b},
	}
	r.MustRegister(m.registered...)
}

func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
}

// statsCollector reads the broker's Stats when it is scraped.
type statsCollector struct{ broker *Broker }

var (
	readyDesc     = prometheus.NewDesc("trivet_broker_ready_messages", "Messages that wait for their first delivery.", nil, nil)
	unsettledDesc = prometheus.NewDesc("trivet_broker_unsettled_messages", "Messages that were delivered and have no verdict.", nil, nil)
	deadDesc      = prometheus.NewDesc("trivet_broker_dead_messages", "Dead letters that are kept.", nil, nil)
	oldestDesc    = prometheus.NewDesc("trivet_broker_oldest_message_age_seconds", "Age of the oldest message without a verdict.", nil, nil)
	bytesDesc     = prometheus.NewDesc("trivet_broker_queue_bytes", "Size of the queue on disk, settled messages included until they are removed.", nil, nil)
)

func (c statsCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- readyDesc
	ch <- unsettledDesc
	ch <- deadDesc
	ch <- oldestDesc
	ch <- bytesDesc
}

func (c statsCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(bytesDesc, float64(c.broker.journal.bytes()))
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	stats, err := c.broker.Stats(ctx)
	if err != nil {
		return // a gap in the series, and Ping says why
	}
	gauge(readyDesc, float64(stats.Ready))
	gauge(unsettledDesc, float64(stats.Unsettled))
	gauge(deadDesc, float64(stats.Dead))
	gauge(oldestDesc, stats.OldestAge.Seconds())
}
