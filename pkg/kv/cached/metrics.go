package cached

import "github.com/prometheus/client_golang/prometheus"

// Steps as the metrics name them.
const (
	stepBegin  = "begin"
	stepFinish = "finish"
	stepRead   = "read"
	stepFill   = "fill"
)

type metrics struct {
	failures                   *prometheus.CounterVec
	shared, refused, evictions prometheus.Counter
	processHits, processMisses prometheus.Counter
}

func newMetrics(r prometheus.Registerer, processBytes func() int64) *metrics {
	m := &metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_cache_step_failures_total", Help: "Steps of the cache protocol that could not be confirmed.",
		}, []string{"step"}),
		shared: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_shared_reads_total", Help: "Reads that were answered by another caller's read of the database.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_refused_reads_total", Help: "Reads that were refused because the cache could not help and enough others were at the database.",
		}),
		evictions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_process_evictions_total", Help: "Keys that the process's own cache forgot because it was full.",
		}),
	}
	reads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trivet_cache_process_reads_total", Help: "Reads of the process's own cache by what they found: hit or miss.",
	}, []string{"found"})
	m.processHits, m.processMisses = reads.WithLabelValues("hit"), reads.WithLabelValues("miss")
	for _, step := range []string{stepBegin, stepFinish, stepRead, stepFill} {
		m.failures.WithLabelValues(step)
	}
	if r != nil {
		r.MustRegister(m.failures, m.shared, m.refused, m.evictions, reads, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "trivet_cache_process_bytes", Help: "Estimated size of what the process's own cache keeps, in bytes.",
		}, func() float64 { return float64(processBytes()) }))
	}
	return m
}

func (m *metrics) failed(step string) { m.failures.WithLabelValues(step).Inc() }
