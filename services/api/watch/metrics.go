package watch

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	streams  prometheus.Gauge
	tailers  prometheus.Gauge
	refused  prometheus.Counter
	ended    *prometheus.CounterVec
	events   prometheus.Counter
	catchUps prometheus.Counter
	delay    prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "trivet_watch_streams",
			Help: "Watch streams that are open.",
		}),
		tailers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "trivet_watch_tailers",
			Help: "Namespaces whose change log is being followed for live streams.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_watch_streams_refused_total",
			Help: "Watch streams refused because the process has as many as it takes.",
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_watch_streams_ended_total",
			Help: "Watch streams that ended, by reason: client_gone, write_timeout, lagging, stopping, or a problem's code.",
		}, []string{"reason"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_watch_events_total",
			Help: "Events sent to watch streams.",
		}),
		catchUps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trivet_watch_catch_ups_total",
			Help: "Times that a live stream fell behind and went on from the change log.",
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "trivet_watch_delay_seconds",
			Help:    "Age of a change when it is handed to live streams, by the store's clock.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}),
	}
	if registerer != nil {
		registerer.MustRegister(m.streams, m.tailers, m.refused, m.ended, m.events, m.catchUps, m.delay)
	}
	return m
}
