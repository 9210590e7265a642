// Package process is the life of a long-running program: it opens the
// backends, starts services, tells operators how it is, and stops without
// cutting anything off.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/backends"
	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/pkg/tracing"
)

// Settings are what Run needs of a program's configuration.
type Settings struct {
	Process  config.Process
	Admin    config.Admin
	Backends config.Backends
	TLS      config.TLS
	Name     string // of the program, for OpenTelemetry
	Logger   *slog.Logger

	// AdminFallback is where to listen for administration when the address in
	// Admin is taken; empty makes that an error.
	AdminFallback config.Address

	// Started is called once the process is ready; nil: it is not told.
	Started func()
}

// Host is what the services of a process share.
type Host struct {
	Logger    *slog.Logger
	Metrics   *prometheus.Registry
	Readiness *health.Readiness
	Backends  *backends.Backends

	// Certificates serve every listener; nil: plain HTTP.
	Certificates *certs.Reloader
	Traced       bool // OpenTelemetry has a collector

	services lifecycle.Group
}

// Start starts a service. Services stop in the reverse order.
func (h *Host) Start(ctx context.Context, name string, s lifecycle.Service) error {
	return h.services.Start(ctx, name, s)
}

// Run is a program's life: it opens the backends, calls start, which starts
// the services, and is ready from then on. When ctx ends, or when the database
// needs a new start of the process, it stops being ready, stops the services,
// which finish what is under way within the stop time-out, and closes the
// backends. It returns nil after a stop that ctx asked for and that cut
// nothing off.
func Run(ctx context.Context, s Settings, start func(ctx context.Context, h *Host) error) error {
	began := time.Now()
	tuneGarbageCollection()
	h := &Host{Logger: s.Logger, Metrics: telemetry.NewRegistry(), Readiness: new(health.Readiness)}
	opened, err := backends.Open(s.Backends, backends.Options{Logger: s.Logger, Registerer: h.Metrics})
	if err != nil {
		return err
	}
	h.Backends = opened
	h.Readiness.CutOffWhen(opened.CutOff)

	err = h.startAll(ctx, s, start)
	if err == nil {
		h.Readiness.Started()
		build := telemetry.ReadBuild()
		h.Logger.Info("started", "version", build.Version, "revision", build.Revision,
			"database", s.Backends.Database, "cache", s.Backends.Cache, "broker", s.Backends.Broker,
			"took", time.Since(began).Round(time.Millisecond))
		if s.Started != nil {
			s.Started()
		}
		err = h.wait(ctx)
	}
	return errors.Join(err, h.stop(s.Process.StopTimeout))
}

func (h *Host) startAll(ctx context.Context, s Settings, start func(ctx context.Context, h *Host) error) error {
	if err := h.startShared(ctx, s); err != nil {
		return err
	}
	admin := health.NewServer(health.ServerOptions{
		Address:      string(s.Admin.Listen),
		Fallback:     string(s.AdminFallback),
		Readiness:    h.Readiness,
		Dependencies: h.Backends.Dependencies(),
		Metrics:      h.Metrics,
		Certificates: h.Certificates,
		Logger:       h.Logger,
	})
	if err := h.Start(ctx, "administration", admin); err != nil {
		return err
	}
	h.Logger.Info("serving administration", "address", admin.Addr())
	return start(ctx, h)
}

// startShared starts what all services use: certificates and telemetry.
func (h *Host) startShared(ctx context.Context, s Settings) error {
	if files := s.TLS.Files(); files.Enabled() {
		reloader, err := certs.New(files, h.Logger)
		if err != nil {
			return &config.Error{Name: "TRIVET_TLS_CERT", Problem: err.Error()}
		}
		if err := h.Start(ctx, "certificates", reloader); err != nil {
			return err
		}
		h.Certificates = reloader
	}
	if !tracing.Enabled() {
		return nil
	}
	exporter, err := tracing.New(ctx, s.Name, telemetry.ReadBuild().Version, h.Metrics)
	if err != nil {
		return err
	}
	h.Traced = true
	return h.Start(ctx, "OpenTelemetry", exporter)
}

// wait returns once the process has to stop: with nil when ctx says so.
func (h *Host) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		h.Logger.Info("stopping")
		return nil
	case <-h.Backends.Failed():
		return fmt.Errorf("the database needs a new start of this process: %w", h.Backends.Err())
	}
}

// stop stops the services within the time-out, and closes the backends
// whatever became of that: they wait for what they have begun to write.
func (h *Host) stop(timeout time.Duration) error {
	began := time.Now()
	h.Readiness.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := h.services.Stop(ctx)
	if err != nil {
		h.Logger.Error("not everything stopped", "error", err)
		if ctx.Err() != nil {
			err = fmt.Errorf("the stop took longer than %v: what was still under way was cut off", timeout)
		}
	}
	if err := errors.Join(err, h.Backends.Close()); err != nil {
		return err
	}
	h.Logger.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
	return nil
}
