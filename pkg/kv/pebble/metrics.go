package pebble

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the store's own measurements, and pebble's, which are read when
// they are scraped.
type metrics struct {
	store      *Store
	registerer prometheus.Registerer // nil: nothing is registered
	requests   prometheus.Histogram
	seconds    prometheus.Histogram
}

var (
	diskBytesDesc   = describe("disk_bytes", "Bytes on disk.")
	logBytesDesc    = describe("log_bytes", "Bytes of the write-ahead log that are not in tables yet.")
	memTableDesc    = describe("memtable_bytes", "Bytes of the tables in memory that take up writes.")
	cacheBytesDesc  = describe("block_cache_bytes", "Bytes in the block cache.")
	cacheHitsDesc   = describe("block_cache_hits_total", "Blocks that were found in the block cache.")
	cacheMissesDesc = describe("block_cache_misses_total", "Blocks that were read from disk.")
	compactionsDesc = describe("compactions_total", "Compactions of tables since the start.")
	debtDesc        = describe("compaction_debt_bytes", "Estimated bytes that compactions still have to write.")
	readAmpDesc     = describe("read_amplification", "Tables that a read may have to look into.")
	positionDesc    = describe("position", "Position of the last durable change.")
	failedDesc      = describe("failed", "1 once the disk has failed and the process has to be restarted.")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("trivet_store_"+name, help, nil, nil)
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
			Help:    "Time from the start of a batch until it was on disk.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15),
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

func (m *metrics) committed(requests int, took time.Duration) {
	m.requests.Observe(float64(requests))
	m.seconds.Observe(took.Seconds())
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.seconds.Collect(ch)
	failed := 0.0
	if m.store.Err() != nil {
		failed = 1
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	counter := func(desc *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value)
	}
	gauge(failedDesc, failed)
	gauge(positionDesc, float64(m.store.position.load()))
	if failed == 1 {
		return // pebble's lock may be held for ever
	}
	m.store.mu.RLock()
	defer m.store.mu.RUnlock()
	if m.store.closed {
		return
	}
	p := m.store.db.Metrics()
	gauge(diskBytesDesc, float64(p.DiskSpaceUsage()))
	gauge(logBytesDesc, float64(p.WAL.Size))
	gauge(memTableDesc, float64(p.MemTable.Size))
	gauge(cacheBytesDesc, float64(p.BlockCache.Size))
	counter(cacheHitsDesc, float64(p.BlockCache.Hits))
	counter(cacheMissesDesc, float64(p.BlockCache.Misses))
	counter(compactionsDesc, float64(p.Compact.Count))
	gauge(debtDesc, float64(p.Compact.EstimatedDebt))
	gauge(readAmpDesc, float64(p.ReadAmp()))
}
