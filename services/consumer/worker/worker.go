// Package worker does a store's work in the background: it applies the
// asynchronous writes that the API has queued, turns entries that have expired
// into changes, and compacts what is past its retention.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// Defaults of [Options].
const (
	DefaultSweepInterval   = 500 * time.Millisecond
	DefaultCompactInterval = 10 * time.Second
	DefaultApplyTimeout    = 30 * time.Second
	DefaultConcurrency     = 128
)

// upkeepRows is how much one call of Sweep or Compact does: little enough that
// requests do not feel it.
const upkeepRows = 1000

// Options of a [Worker]. Store is required.
type Options struct {
	Store      kv.Store      // with its cache in front, as every writer has it
	Maintainer kv.Maintainer // nil: another process does the upkeep
	Broker     broker.Broker // nil: there are no asynchronous writes

	Logger     *slog.Logger          // nil: none
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now

	SweepInterval   time.Duration // between sweeps that find little; 0: DefaultSweepInterval
	CompactInterval time.Duration // 0: DefaultCompactInterval
	ApplyTimeout    time.Duration // of one write; 0: DefaultApplyTimeout
	Concurrency     int           // keys that are written at once; 0: DefaultConcurrency
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SweepInterval <= 0 {
		o.SweepInterval = DefaultSweepInterval
	}
	if o.CompactInterval <= 0 {
		o.CompactInterval = DefaultCompactInterval
	}
	if o.ApplyTimeout <= 0 {
		o.ApplyTimeout = DefaultApplyTimeout
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
}

// Worker is a [lifecycle.Service].
type Worker struct {
	broker     broker.Broker
	services   []namedService
	conditions []*condition // of the services
	group      lifecycle.Group
}

type namedService struct {
	name    string
	service lifecycle.Service
}

var _ lifecycle.Service = (*Worker)(nil)

// New makes a worker of what the options name.
func New(opts Options) (*Worker, error) {
	if opts.Store == nil {
		return nil, errors.New("the worker needs a store")
	}
	opts.setDefaults()
	m := newMetrics(opts.Broker)
	if opts.Registerer != nil {
		if err := m.register(opts.Registerer); err != nil {
			return nil, fmt.Errorf("register the worker's metrics: %w", err)
		}
	}
	w := &Worker{broker: opts.Broker}
	if opts.Broker != nil {
		a := &applier{opts: opts, metrics: m, condition: &condition{what: "applying asynchronous writes"}}
		w.add("asynchronous writes", a, a.condition)
	}
	if opts.Maintainer != nil {
		sweep := newUpkeep("sweep", opts.Maintainer.Sweep, opts.SweepInterval, opts.Logger, m)
		w.add("expiry sweeper", lifecycle.NewLoop(sweep.run), sweep.condition)
		compact := newUpkeep("compact", opts.Maintainer.Compact, opts.CompactInterval, opts.Logger, m)
		w.add("compactor", lifecycle.NewLoop(compact.run), compact.condition)
	}
	return w, nil
}

func (w *Worker) add(name string, s lifecycle.Service, c *condition) {
	w.services = append(w.services, namedService{name, s})
	w.conditions = append(w.conditions, c)
}

// Start starts every part. When one fails, those before it are stopped again.
func (w *Worker) Start(ctx context.Context) error {
	for _, s := range w.services {
		if err := w.group.Start(ctx, s.name, s.service); err != nil {
			return errors.Join(err, w.group.Stop(ctx))
		}
	}
	return nil
}

// Stop lets the batch of writes and the upkeep under way end, and reports what
// did not end before ctx.
func (w *Worker) Stop(ctx context.Context) error { return w.group.Stop(ctx) }

// Check tells what does not work at the moment: the broker, or a part of the
// worker whose last attempt failed.
func (w *Worker) Check(ctx context.Context) error {
	var errs []error
	if w.broker != nil {
		if err := w.broker.Ping(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	for _, c := range w.conditions {
		errs = append(errs, c.err())
	}
	return errors.Join(errs...)
}
