package worker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/broker"
)

// Outcomes of a delivered write, as the metric's label has them.
const (
	outcomeApplied  = "applied"
	outcomeReplayed = "replayed" // applied or rejected before; this was a redelivery
	outcomeRejected = "rejected"
	outcomeRetried  = "retried"
	outcomeDead     = "dead"
)

// statsTimeout bounds what a scrape waits for.
const statsTimeout = 2 * time.Second

type metrics struct {
	writes  *prometheus.CounterVec
	seconds prometheus.Histogram
	delay   prometheus.Histogram

	upkeepRows     *prometheus.CounterVec
	upkeepFailures *prometheus.CounterVec
	upkeepSeconds  *prometheus.HistogramVec

	broker broker.Broker
}

func newMetrics(b broker.Broker) *metrics {
	m := &metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_consumer_writes_total",
			Help: "Deliveries of asynchronous writes by what became of them.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_consumer_apply_seconds",
			Help:    "Time that the store took for one asynchronous write.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_consumer_delay_seconds",
			Help:    "Time from the acceptance of an asynchronous write until it was applied or rejected.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 15),
		}),
		upkeepRows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_upkeep_rows_total",
			Help: "Rows that upkeep has worked on: entries swept, and versions, changes, tombstones and records compacted.",
		}, []string{"task"}),
		upkeepFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_upkeep_failures_total",
			Help: "Runs of upkeep that failed.",
		}, []string{"task"}),
		upkeepSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "trivet_upkeep_seconds",
			Help:    "Time of one run of upkeep.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 13),
		}, []string{"task"}),
		broker: b,
	}
	// A series that is there from the start can be alerted on.
	for _, outcome := range []string{outcomeApplied, outcomeReplayed, outcomeRejected, outcomeRetried, outcomeDead} {
		m.writes.WithLabelValues(outcome)
	}
	return m
}

func (m *metrics) upkeep(task string, rows int, err error, took time.Duration) {
	m.upkeepRows.WithLabelValues(task).Add(float64(rows))
	m.upkeepSeconds.WithLabelValues(task).Observe(took.Seconds())
	if err != nil {
		m.upkeepFailures.WithLabelValues(task).Inc()
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	var errs []error
	for _, c := range []prometheus.Collector{m.writes, m.seconds, m.delay, m.upkeepRows, m.upkeepFailures, m.upkeepSeconds, m} {
		errs = append(errs, r.Register(c))
	}
	return errors.Join(errs...)
}

var lagDesc = prometheus.NewDesc("trivet_consumer_lag_seconds", "Age of the oldest asynchronous write that has no verdict.", nil, nil)

// Describe implements [prometheus.Collector] for what is read at each scrape.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- lagDesc }

// Collect asks the broker for the lag. A broker that does not answer leaves a
// gap in the series.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	if m.broker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
	defer cancel()
	if stats, err := m.broker.Stats(ctx); err == nil {
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, stats.OldestAge.Seconds())
	}
}
