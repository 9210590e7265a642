package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/process"
)

// service tells what is done to it.
type service struct {
	name  string
	calls *[]string
	err   error
	stop  func(context.Context) error
}

func (s service) Start(context.Context) error {
	*s.calls = append(*s.calls, "start "+s.name)
	return s.err
}

func (s service) Stop(ctx context.Context) error {
	*s.calls = append(*s.calls, "stop "+s.name)
	if s.stop != nil {
		return s.stop(ctx)
	}
	return nil
}

func settings(t *testing.T) process.Settings {
	t.Helper()
	s := process.Settings{Logger: slog.New(slog.DiscardHandler)}
	if err := config.Load([]string{
		"TRIVET_ADMIN_LISTEN=127.0.0.1:0",
		"TRIVET_DATABASE_URL=" + (&url.URL{Scheme: "pebble", Path: filepath.Join(t.TempDir(), "store")}).String(),
	}, &s.Admin, &s.Backends, &s.Process); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServicesStopInReverseOrderAndTheBackendsLast(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := settings(t)
	var calls []string
	var host *process.Host
	s.Started = func() {
		if host.Readiness.State() != health.Ready {
			t.Errorf("started, and %s", host.Readiness.State())
		}
		cancel()
	}
	err := process.Run(ctx, s, func(ctx context.Context, h *process.Host) error {
		host = h
		for _, name := range []string{"first", "second"} {
			stop := func(ctx context.Context) error {
				if h.Readiness.State() != health.Draining {
					t.Errorf("%s is stopped while the process is %s", name, h.Readiness.State())
				}
				return h.Backends.Store.Ping(ctx)
			}
			if err := h.Start(ctx, name, service{name: name, calls: &calls, stop: stop}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if want := []string{"start first", "start second", "stop second", "stop first"}; !slices.Equal(calls, want) {
		t.Errorf("calls: %q", calls)
	}
	if host.Backends.Store.Ping(t.Context()) == nil {
		t.Error("the database is open after the end")
	}
}

func TestAServiceThatDoesNotStartEndsTheProcess(t *testing.T) {
	t.Parallel()
	s := settings(t)
	s.Started = func() { t.Error("it was told to have started") }
	var calls []string
	failure := errors.New("the port is taken")
	run := func() error {
		return process.Run(t.Context(), s, func(ctx context.Context, h *process.Host) error {
			if err := h.Start(ctx, "first", service{name: "first", calls: &calls}); err != nil {
				return err
			}
			return h.Start(ctx, "second", service{name: "second", calls: &calls, err: failure})
		})
	}
	if err := run(); !errors.Is(err, failure) || err.Error() != "start second: the port is taken" {
		t.Errorf("got %v", err)
	}
	if want := []string{"start first", "start second", "stop first"}; !slices.Equal(calls, want) {
		t.Errorf("calls: %q", calls)
	}
	if err := run(); !errors.Is(err, failure) { // the directory is free again
		t.Errorf("got %v", err)
	}
}

func TestAStopThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := settings(t)
	s.Process.StopTimeout = 10 * time.Millisecond
	s.Started = cancel
	var calls []string
	err := process.Run(ctx, s, func(ctx context.Context, h *process.Host) error {
		return h.Start(ctx, "slow", service{name: "slow", calls: &calls, stop: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
	})
	if err == nil || err.Error() != "the stop took longer than 10ms: what was still under way was cut off" {
		t.Errorf("got %v", err)
	}
}

func TestABackendThatCannotBeOpenedStartsNothing(t *testing.T) {
	t.Parallel()
	s := settings(t)
	if err := s.Backends.Database.UnmarshalText([]byte("mysql://host")); err != nil {
		t.Fatal(err)
	}
	err := process.Run(t.Context(), s, func(context.Context, *process.Host) error {
		t.Error("services were started")
		return nil
	})
	var variable *config.Error
	if !errors.As(err, &variable) || variable.Name != "TRIVET_DATABASE_URL" {
		t.Errorf("got %v", err)
	}
}

func TestTheAdminListenerTellsOfTheBackends(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := listener.Addr().String()
	_ = listener.Close()
	s := settings(t)
	s.Admin.Listen = config.Address(admin)
	ctx, cancel := context.WithCancel(t.Context())
	s.Started = func() {
		defer cancel()
		for path, want := range map[string]string{
			"/ready": `"ready"`, "/health?verbose": `"name":"database","state":"up"`,
			"/metrics": `trivet_store_calls_total{call="apply",code="ok"} 1`,
		} {
			response, err := http.Get("http://" + admin + path)
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || !strings.Contains(string(body), want) {
				t.Errorf("%s: %v: %s", path, err, body)
			}
		}
	}
	if err := process.Run(ctx, s, func(ctx context.Context, h *process.Host) error {
		if _, err := h.Backends.Store.Apply(ctx, "ns", kv.Operation{Kind: kv.KindPut, Key: "k"}, kv.Identity{}); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
