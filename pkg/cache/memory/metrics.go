package memory

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct{ evictions prometheus.Counter }

func newMetrics(r prometheus.Registerer, bytes func() int64) (*metrics, error) {
	m := &metrics{
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
	for _, c := range []prometheus.Collector{m.evictions, size} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the cache's metrics: %w", err)
		}
	}
	return m, nil
}
