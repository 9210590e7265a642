package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/pkg/telemetry"
)

var _ lifecycle.Service = (*health.Server)(nil)

func TestReadinessFollowsTheProcess(t *testing.T) {
	t.Parallel()
	var r health.Readiness
	want := func(status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
		if w.Code != status || strings.TrimSpace(w.Body.String()) != body {
			t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, body)
		}
	}
	want(http.StatusServiceUnavailable, `{"status":"starting"}`)
	r.Started()
	want(http.StatusOK, `{"status":"ready"}`)
	cutOff := true
	r.CutOffWhen(func() bool { return cutOff })
	want(http.StatusServiceUnavailable, `{"status":"cut_off"}`)
	cutOff = false
	want(http.StatusOK, `{"status":"ready"}`)
	cutOff = true
	r.Drain()
	want(http.StatusServiceUnavailable, `{"status":"draining"}`)
	r.Started()
	want(http.StatusServiceUnavailable, `{"status":"draining"}`)
}

func TestADependencyThatIsDownIsListedAndTheProcessStaysAlive(t *testing.T) {
	t.Parallel()
	handler := health.Verbose([]health.Dependency{
		{Name: "database", Ping: func(context.Context) error { return nil }},
		{Name: "broker", Ping: func(context.Context) error { return errors.New("connection refused") }},
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest(http.MethodGet, "/health?verbose", nil))
	if w.Code != http.StatusOK {
		t.Errorf("status %d: the process would be restarted for its broker", w.Code)
	}
	var report struct {
		Status       string
		Dependencies []health.Condition
	}
	if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Status != "degraded" || len(report.Dependencies) != 2 {
		t.Fatalf("report: %s", w.Body)
	}
	if d := report.Dependencies[0]; d.Name != "database" || d.State != "up" || d.Error != "" {
		t.Errorf("database: %+v", d)
	}
	if d := report.Dependencies[1]; d.Name != "broker" || d.State != "down" || d.Error != "connection refused" {
		t.Errorf("broker: %+v", d)
	}
}

func TestHealthTellsNothingOfDependenciesUnlessAsked(t *testing.T) {
	t.Parallel()
	handler := health.Verbose([]health.Dependency{{Name: "database", Ping: func(context.Context) error {
		t.Error("liveness asked the database")
		return nil
	}}})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest(http.MethodGet, "/health", nil))
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"status":"ok"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestADependencyThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		start := time.Now()
		conditions := health.Check(t.Context(), []health.Dependency{
			{Name: "deaf", Ping: func(context.Context) error { <-release; return nil }},
			{Name: "database", Ping: func(context.Context) error { return nil }},
		})
		if waited := time.Since(start); waited > 5*time.Second {
			t.Errorf("waited %v", waited)
		}
		if conditions[0].State != "down" || conditions[1].State != "up" {
			t.Errorf("conditions: %+v", conditions)
		}
	})
}

func newServer(t *testing.T, address string) *health.Server {
	t.Helper()
	readiness := new(health.Readiness)
	readiness.Started()
	return health.NewServer(health.ServerOptions{
		Address:   address,
		Readiness: readiness,
		Metrics:   telemetry.NewRegistry(),
		Logger:    slog.New(slog.DiscardHandler),
	})
}

func TestTheAdminServerServesHealthReadinessAndMetrics(t *testing.T) {
	t.Parallel()
	server := newServer(t, "127.0.0.1:0")
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/health":         `{"status":"ok"}`,
		"/health?verbose": `"dependencies":[]`,
		"/ready":          `{"status":"ready"}`,
		"/metrics":        "trivet_build_info{",
	} {
		response, err := http.Get("http://" + server.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	for range 2 {
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := http.Get("http://" + server.Addr().String() + "/health"); err == nil {
		t.Error("it answers after Stop")
	}
}

func TestTheAdminServerTellsWhenItsAddressIsTaken(t *testing.T) {
	t.Parallel()
	first := newServer(t, "127.0.0.1:0")
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Stop(context.Background()) })
	second := newServer(t, first.Addr().String())
	err := second.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), first.Addr().String()) {
		t.Errorf("got %v, want an error that names %v", err, first.Addr())
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Errorf("stop of a server that did not start: %v", err)
	}

	third := health.NewServer(health.ServerOptions{
		Address: first.Addr().String(), Fallback: "127.0.0.1:0",
		Readiness: new(health.Readiness), Metrics: telemetry.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	if err := third.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = third.Stop(context.Background()) })
	if third.Addr().String() == first.Addr().String() {
		t.Error("two servers have one address")
	}
}
