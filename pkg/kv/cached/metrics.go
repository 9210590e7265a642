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
	failures *prometheus.CounterVec
	shared   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_cache_step_failures_total", Help: "Steps of the cache protocol that could not be confirmed.",
		}, []string{"step"}),
		shared: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_cache_shared_reads_total", Help: "Reads that were answered by another caller's read of the database.",
		}),
	}
	for _, step := range []string{stepBegin, stepFinish, stepRead, stepFill} {
		m.failures.WithLabelValues(step)
	}
	if r != nil {
		r.MustRegister(m.failures, m.shared)
	}
	return m
}

func (m *metrics) failed(step string) { m.failures.WithLabelValues(step).Inc() }
