package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the store's own measurements, and those of its pool, which are
// read when they are scraped.
type metrics struct {
	store      *Store
	registerer prometheus.Registerer // nil: nothing is registered
	requests   prometheus.Histogram
	seconds    prometheus.Histogram
	conflicts  prometheus.Counter
	retries    prometheus.Counter
	failures   *prometheus.CounterVec
	lagging    prometheus.Gauge
}

var (
	connsDesc    = describe("connections", "Connections to the database.", "state")
	connsMaxDesc = describe("connections_max", "Connections to the database that this process may have.")
	waitsDesc    = describe("connection_wait_seconds_total", "Time that calls have waited for a connection.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("trivet_store_"+name, help, labels, nil)
}

func newMetrics(s *Store, registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		store:      s,
		registerer: registerer,
		requests: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_store_batch_requests",
			Help:    "Requests that were committed together.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_store_commit_seconds",
			Help:    "Time from the start of a batch until it was committed.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18),
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_store_conflicts_total",
			Help: "Commits that were tried again after a deadlock or a serialization failure.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_store_retries_total",
			Help: "Commits that were tried again after the connection was lost.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_store_failures_total",
			Help: "Calls of the database that failed in the end, by the class of its code.",
		}, []string{"call", "class"}),
		lagging: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "trivet_store_sequencer_lag_seconds",
			Help: "Age of the oldest committed change that has no position, when it was last looked at.",
		}),
	}
	if registerer == nil {
		return m, nil
	}
	if err := registerer.Register(m); err != nil {
		return nil, fmt.Errorf("register the store's metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer != nil {
		m.registerer.Unregister(m)
	}
}

func (m *metrics) flushed(requests int, took time.Duration) {
	m.requests.Observe(float64(requests))
	m.seconds.Observe(took.Seconds())
}

func (m *metrics) conflict() { m.conflicts.Inc() }
func (m *metrics) retry()    { m.retries.Inc() }

func (m *metrics) lag(d time.Duration) { m.lagging.Set(d.Seconds()) }

func (m *metrics) failed(call string, err error) {
	class := "connection"
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		class = pg.Code[:min(2, len(pg.Code))]
	}
	m.failures.WithLabelValues(call, class).Inc()
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.conflicts, m.retries, m.failures, m.lagging} {
		c.Collect(ch)
	}
	pool := m.store.pool.Stat()
	for state, n := range map[string]int32{
		"used": pool.AcquiredConns(), "idle": pool.IdleConns(), "connecting": pool.ConstructingConns(),
	} {
		ch <- prometheus.MustNewConstMetric(connsDesc, prometheus.GaugeValue, float64(n), state)
	}
	ch <- prometheus.MustNewConstMetric(connsMaxDesc, prometheus.GaugeValue, float64(pool.MaxConns()))
	ch <- prometheus.MustNewConstMetric(waitsDesc, prometheus.CounterValue, pool.EmptyAcquireWaitTime().Seconds())
}
