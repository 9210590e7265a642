package tracing_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/trivetkv/trivet/pkg/tracing"
)

// collector takes what an exporter sends over OTLP.
type collector struct {
	mu      sync.Mutex
	traces  []*tracespb.ExportTraceServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		request := new(tracespb.ExportTraceServiceRequest)
		if proto.Unmarshal(body, request) == nil {
			c.traces = append(c.traces, request)
		}
	case "/v1/metrics":
		request := new(metricspb.ExportMetricsServiceRequest)
		if proto.Unmarshal(body, request) == nil {
			c.metrics = append(c.metrics, request)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// It is not parallel: OpenTelemetry's provider is one for the process.
func TestRequestsAndMetricsReachTheCollector(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	if tracing.Enabled() {
		t.Fatal("enabled without an endpoint")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	if !tracing.Enabled() {
		t.Fatal("not enabled by an endpoint")
	}
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "trivet_test_total", Help: "Counts."})
	registry.MustRegister(counter)
	counter.Add(3)
	exporter, err := tracing.New(t.Context(), "trivet-test", "v1", registry)
	if err != nil {
		t.Fatal(err)
	}
	if err := exporter.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler := tracing.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tracing.Name(r.Context(), r.Method, "/v1/kv/{ns}/{key}")
	}))
	for _, path := range []string{"/v1/kv/shop/a-private-key", "/health"} {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	if err := exporter.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	spans := 0
	for _, request := range c.traces {
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					spans++
					if span.GetName() != "GET /v1/kv/{ns}/{key}" || strings.Contains(span.String(), "a-private-key") {
						t.Errorf("the span is named %q, and tells %v", span.GetName(), span)
					}
					if got := span.GetTraceId(); got[0] != 0x0a || got[15] != 0x9c {
						t.Errorf("the span is not part of the caller's trace: %x", got)
					}
				}
			}
		}
	}
	if spans != 1 {
		t.Errorf("%d spans, want one: that of the health check is left out", spans)
	}
	if !c.has("trivet_test_total", 3) {
		t.Errorf("the counter did not arrive: %v", c.metrics)
	}
}

func (c *collector) has(name string, value float64) bool {
	for _, request := range c.metrics {
		for _, resource := range request.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					points := m.GetSum().GetDataPoints()
					if m.GetName() == name && len(points) == 1 && points[0].GetAsDouble() == value {
						return true
					}
				}
			}
		}
	}
	return false
}
