package memory

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	hits, misses, evictions prometheus.Counter
}

func newMetrics(r prometheus.Registerer, bytes func() int64) (*metrics, error) {
	m := &metrics{
		hits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_memory_hits_total", Help: "Reads that found an entry, or that the key is absent.",
		}),
		misses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_memory_misses_total", Help: "Reads that have to ask the database.",
		}),
		evictions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_memory_evictions_total", Help: "Keys forgotten because the cache was full.",
		}),
	}
	if r == nil {
		return m, nil
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "trivet_cache_memory_bytes", Help: "Estimated size of what is kept, in bytes.",
	}, func() float64 { return float64(bytes()) })
	for _, c := range []prometheus.Collector{m.hits, m.misses, m.evictions, size} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the cache's metrics: %w", err)
		}
	}
	return m, nil
}
