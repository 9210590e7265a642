package redis

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	failures     prometheus.Counter
	reads, steps prometheus.Observer
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	sizes := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "trivet_cache_redis_batch_commands",
		Help:    "Commands of concurrent callers that one round trip to Redis carried.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 9),
	}, []string{"of"})
	m := &metrics{
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_redis_failures_total", Help: "Round trips to Redis that failed.",
		}),
		reads: sizes.WithLabelValues("reads"),
		steps: sizes.WithLabelValues("steps"),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.failures, sizes} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the cache's metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) readBatch(n int) { m.reads.Observe(float64(n)) }
func (m *metrics) stepBatch(n int) { m.steps.Observe(float64(n)) }
