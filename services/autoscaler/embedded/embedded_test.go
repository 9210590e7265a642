package embedded_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/services/autoscaler/embedded"
)

func TestItShowsWhatItWouldDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trivet_http_requests_total", Help: "requests"}, []string{"code"})
		registry.MustRegister(requests)
		adviser, err := embedded.New(embedded.Options{Metrics: registry, Registerer: registry, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := adviser.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // count between its looks, not at them
		for range 60 {
			requests.WithLabelValues("200").Add(18000) // 9000 per second
			time.Sleep(2 * time.Second)                // the bubble's clock
		}
		if err := adviser.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == "trivet_autoscaler_replicas" {
				if got := family.GetMetric()[0].GetGauge().GetValue(); got < 5 || got > 8 {
					t.Errorf("it would run %v pods for 9000/s at an assumed 2000/s", got)
				}
				return
			}
		}
		t.Errorf("it shows nothing; %d metrics", testutil.CollectAndCount(requests))
	})
}
