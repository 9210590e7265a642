package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Names of metrics. Dashboards and alert rules are written against them.
const (
	MetricBuildInfo = "trivet_build_info"

	MetricStoreCalls   = "trivet_store_calls_total"
	MetricStoreSeconds = "trivet_store_call_seconds"

	MetricCacheCalls   = "trivet_cache_calls_total"
	MetricCacheSeconds = "trivet_cache_call_seconds"
	MetricCacheReads   = "trivet_cache_reads_total"

	MetricBrokerPublished      = "trivet_broker_published_messages_total"
	MetricBrokerPublishSeconds = "trivet_broker_publish_seconds"
	MetricBrokerHandled        = "trivet_broker_handled_messages_total"
	MetricBrokerHandleSeconds  = "trivet_broker_handle_seconds"
	MetricBrokerRedelivered    = "trivet_broker_redelivered_messages_total"
	MetricBrokerUp             = "trivet_broker_up"
	MetricBrokerReady          = "trivet_broker_ready_messages"
	MetricBrokerUnsettled      = "trivet_broker_unsettled_messages"
	MetricBrokerDead           = "trivet_broker_dead_messages"
	MetricBrokerOldestSeconds  = "trivet_broker_oldest_message_seconds"
)

// codeOK is the code label of a call that succeeded.
const codeOK = "ok"

// Buckets are the upper bounds in seconds of histograms of calls, from what a
// cache in the process takes to what a caller gives up on.
func Buckets() []float64 {
	return []float64{
		0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
	}
}

// NewRegistry makes a registry that tells about the Go runtime, the process
// and its build.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	build := ReadBuild()
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: MetricBuildInfo,
		Help: "Always 1; the labels tell what the program was built from.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": build.Revision, "go_version": build.Go,
		},
	}).Set(1)
	return registry
}

// Handler answers /metrics from what a registry gathers.
func Handler(metrics prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// calls counts and times the calls of one interface.
type calls struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newCalls(registerer prometheus.Registerer, totalName, secondsName, of string) calls {
	factory := promauto.With(registerer)
	return calls{
		total: factory.NewCounterVec(prometheus.CounterOpts{
			Name: totalName, Help: "Calls of the " + of + " by method and by the code of their outcome.",
		}, []string{"call", "code"}),
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: secondsName, Help: "Seconds that calls of the " + of + " took.", Buckets: Buckets(),
		}, []string{"call"}),
	}
}

// call is one method, with its labels looked up once.
type call struct {
	name    string
	ok      prometheus.Counter
	total   *prometheus.CounterVec
	seconds prometheus.Observer
}

func (c calls) method(name string) call {
	return call{
		name:    name,
		ok:      c.total.WithLabelValues(name, codeOK),
		total:   c.total,
		seconds: c.seconds.WithLabelValues(name),
	}
}

// done records a call that began at start.
func (c call) done(start time.Time, err error) {
	c.seconds.Observe(time.Since(start).Seconds())
	if err == nil {
		c.ok.Inc()
		return
	}
	c.total.WithLabelValues(c.name, string(kv.CodeOf(err))).Inc()
}
