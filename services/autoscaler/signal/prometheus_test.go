package signal_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/testserver"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// counting answers with counters that grow with the time, by rate a second.
func counting(t *testing.T, rate float64) (address string, cut *atomic.Bool) {
	t.Helper()
	cut = new(atomic.Bool)
	began := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if cut.Load() {
			http.Error(w, "cut", http.StatusServiceUnavailable)
			return
		}
		seconds := time.Since(began).Seconds()
		fmt.Fprint(w, text(rate*seconds, 0, 0, 0.5*seconds))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), cut
}

func TestAPrometheusServerTellsWhatPodsToldIt(t *testing.T) {
	t.Parallel()
	one, cut := counting(t, 300)
	two, _ := counting(t, 100)
	server := testserver.NewPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: trivet
    static_configs:
      - {targets: ["%s"], labels: {namespace: trivet, pod: api-1}}
      - {targets: ["%s"], labels: {namespace: trivet, pod: api-2}}
      - {targets: ["%s"], labels: {namespace: other, pod: api-1}}
`, one, two, two))
	// The clock can be put forward, as if the server had stopped scraping.
	var ahead atomic.Int64
	source, err := signal.NewPrometheus(server.URL(), "", "trivet", func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	pods := []signal.Pod{{Name: "api-1", CPUs: 1}, {Name: "api-2", CPUs: 1}}
	var load signal.Load
	await(t, "two samples of both pods", func() bool {
		load = source.Collect(t.Context(), pods)
		return load.Pods == 2
	})
	if load.Offered < 380 || load.Offered > 420 || load.Utilisation < 0.47 || load.Utilisation > 0.53 || len(load.Failures) != 0 {
		t.Errorf("got %+v, want 400/s at half of the CPU", load)
	}
	if load = source.Collect(t.Context(), append(pods, signal.Pod{Name: "api-3"})); load.Pods != 2 || load.Failures["api-3"] == nil {
		t.Errorf("a pod that is not scraped: %+v", load)
	}

	cut.Store(true)
	ahead.Store(int64(50 * time.Second))
	if load = source.Collect(t.Context(), pods); load.Pods != 0 || load.Failures["api-1"] == nil {
		t.Errorf("samples of 50 s ago count: %+v", load)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if load = source.Collect(t.Context(), pods); load.Pods != 0 || len(load.Failures) != 2 {
		t.Errorf("a server that is gone: %+v", load)
	}
}

// await polls for something that has to come about.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("did not come about: %s", what)
		case <-tick.C:
		}
	}
}
