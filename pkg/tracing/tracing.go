// Package tracing sends traces and metrics to an OpenTelemetry collector, when
// one is configured by OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and
// their kin. Without an endpoint it costs nothing.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// flushTimeout bounds how long a stop waits for what was not sent yet.
const flushTimeout = 5 * time.Second

// Exporter sends what the process traces and measures.
type Exporter struct {
	traces  *trace.TracerProvider
	metrics *metric.MeterProvider
}

// Enabled tells whether the environment names a collector.
func Enabled() bool {
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" && os.Getenv("OTEL_SDK_DISABLED") != "true"
}

// New makes the exporter of a service. Its metrics are those of the Prometheus
// registry, so that both ways show the same numbers.
func New(ctx context.Context, service, version string, metrics prometheus.Gatherer) (*Exporter, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost())
	if err != nil {
		return nil, fmt.Errorf("describe the process to OpenTelemetry: %w", err)
	}
	spans, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	numbers, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	reader := metric.NewPeriodicReader(numbers, metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(metrics))))
	return &Exporter{
		traces:  trace.NewTracerProvider(trace.WithBatcher(spans), trace.WithResource(about)),
		metrics: metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(about)),
	}, nil
}

// Start begins to send.
func (e *Exporter) Start(context.Context) error {
	otel.SetTracerProvider(e.traces)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return nil
}

// Stop sends what is left. A collector that does not answer is not waited for
// longer than five seconds.
func (e *Exporter) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return errors.Join(e.traces.Shutdown(ctx), e.metrics.Shutdown(ctx))
}

// Handler begins a span for each request, as a child of the one that the
// request names in its traceparent header. Health checks and metrics are left
// out. [Name] names the span once its route is known.
func Handler(next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, "request", otelhttp.WithFilter(func(r *http.Request) bool {
		switch r.URL.Path {
		case "/health", "/ready", "/metrics":
			return false
		}
		return true
	}))
}

// Name names the span of a request, by its route. The route also takes the
// place of the path, which holds a key: keys are no business of a collector.
func Name(ctx context.Context, method, route string) {
	span := oteltrace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetName(strings.TrimSpace(method + " " + route)) // a path that is no route has no method
	span.SetAttributes(attribute.String("http.route", route), attribute.String("url.path", route))
}
