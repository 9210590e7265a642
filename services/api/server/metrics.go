package server

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/limit"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	inFlight prometheus.Gauge
	refused  *prometheus.CounterVec
}

// shed counts a request that was refused for want of room.
func (m *metrics) shed(refusal limit.Refusal) { m.refused.WithLabelValues(string(refusal)).Inc() }

// routeMetrics are one route's, with their children found once and for all.
type routeMetrics struct {
	requests *prometheus.CounterVec
	method   string // "": of each request
	path     string
	statuses [600]atomic.Pointer[prometheus.Counter]
	duration prometheus.Observer
	bytes    prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, limiter *limiter, connections *connections) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_http_requests_total",
			Help: "Requests answered, by route, method and status; 499 is a client that went away.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "trivet_http_request_duration_seconds",
			Help:    "Time from a request's headers to the end of its answer; streams are not in it.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trivet_http_response_bytes_total",
			Help: "Bytes of response bodies.",
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "trivet_http_requests_in_flight",
			Help: "Requests that are being worked on, streams included.",
		}),
	}
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trivet_http_requests_shed_total",
		Help: "Requests that were refused because too much was in flight: of all callers (total), or of one.",
	}, []string{"bound"})
	if registerer != nil {
		conns := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "trivet_http_connections",
			Help: "Open connections.",
		}, func() float64 { return float64(limiter.conns.Open()) })
		evicted := prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "trivet_http_connections_closed_total",
			Help: "Connections that were closed because too many were open.",
		}, func() float64 { return float64(limiter.conns.Evicted() + limiter.conns.Refused()) })
		registerer.MustRegister(m.refused, conns, evicted)
		inBodies := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "trivet_http_body_bytes_in_flight",
			Help: "Bytes of request bodies, and of answers over 64 KiB, that are being worked on.",
		}, func() float64 { return float64(limiter.bodies.InUse()) })
		direct := prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "trivet_http_direct_requests_total",
			Help: "Requests that were answered straight on their connection, which is the short way for plain requests of one key.",
		}, func() float64 { return float64(connections.answered.Load()) })
		registerer.MustRegister(m.requests, m.duration, m.bytes, m.inFlight, inBodies, direct)
	}
	return m
}

func (m *metrics) of(r Route) *routeMetrics {
	return &routeMetrics{
		requests: m.requests,
		method:   r.Method,
		path:     r.Path,
		duration: m.duration.WithLabelValues(r.Path, r.Method),
		bytes:    m.bytes.WithLabelValues(r.Path, r.Method),
	}
}

// unknown is what is counted for paths and methods that no route has.
func (m *metrics) unknown() *routeMetrics {
	return &routeMetrics{
		requests: m.requests,
		path:     unknownPath,
		duration: m.duration.WithLabelValues(unknownPath, otherMethod),
		bytes:    m.bytes.WithLabelValues(unknownPath, otherMethod),
	}
}

const otherMethod = "other"

func (m *routeMetrics) observe(method string, status, size int, took time.Duration, endless bool) {
	m.counter(method, status).Inc()
	if size > 0 {
		m.bytes.Add(float64(size))
	}
	if !endless {
		m.duration.Observe(took.Seconds())
	}
}

// counter finds the child for a status. A client can make up methods, so those
// that no route has are one.
func (m *routeMetrics) counter(method string, status int) prometheus.Counter {
	if m.method == "" {
		return m.requests.WithLabelValues(m.path, knownMethod(method), strconv.Itoa(status))
	}
	slot := &m.statuses[status%len(m.statuses)]
	if counter := slot.Load(); counter != nil {
		return *counter
	}
	counter := m.requests.WithLabelValues(m.path, m.method, strconv.Itoa(status))
	slot.Store(&counter)
	return counter
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodPatch, http.MethodOptions:
		return method
	}
	return otherMethod
}
