// Package embedded runs the autoscaler's policy beside a store in one process,
// where there is nothing to scale: it shows what it would do on a cluster.
package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/services/autoscaler/control"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// assumedRate is what a pod is taken to serve per second until this process has
// been busy enough to be measured.
const assumedRate = 2000

// Options are what the adviser needs.
type Options struct {
	Metrics    prometheus.Gatherer // of this process
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// New makes a service that decides every two seconds how many pods the load on
// this process would need, and tells by metrics, and by a log line whenever
// that changes.
func New(opts Options) (lifecycle.Service, error) {
	cfg := policy.Default()
	cfg.Min, cfg.PodRate = 1, assumedRate
	client := &http.Client{Transport: gatherer{opts.Metrics}}
	c, err := control.New(control.Options{
		Name: "embedded", Kind: control.KindAPI, API: cfg, Driver: process{}, Source: signal.NewSource(client, time.Now, time.Second),
		Clock: time.Now, Location: time.Local, Advisory: true, Logger: opts.Logger, Registerer: opts.Registerer,
	})
	if err != nil {
		return nil, err
	}
	return lifecycle.NewLoop(func(ctx context.Context) {
		ticker := time.NewTicker(c.Interval())
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				// Advice changes nothing, so there is nothing that could fail.
				_ = c.Step(ctx)
			}
		}
	}), nil
}

// process is the control.Driver of the one pod that this process is.
type process struct{}

// Observe implements control.Driver.
func (process) Observe(context.Context) (control.Workload, error) {
	self := signal.Pod{Name: "self", URL: "http://self/metrics", CPUs: float64(runtime.GOMAXPROCS(0))}
	return control.Workload{Replicas: 1, Ready: 1, Pods: []signal.Pod{self}}, nil
}

// Scale implements control.Driver; advice is never carried out.
func (process) Scale(context.Context, int, string) error { return control.ErrConflict }

// Tell implements control.Driver; the log has told already.
func (process) Tell(string, string) {}

// gatherer answers every request with a process's own metrics.
type gatherer struct{ metrics prometheus.Gatherer }

// RoundTrip implements http.RoundTripper.
func (g gatherer) RoundTrip(r *http.Request) (*http.Response, error) {
	families, err := g.metrics.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather the metrics: %w", err)
	}
	var body bytes.Buffer
	encoder := expfmt.NewEncoder(&body, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, fmt.Errorf("write the metrics: %w", err)
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(&body), Request: r}, nil
}
