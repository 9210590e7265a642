// Package backends opens what a process keeps its data in, as its
// configuration names it: a database with a cache in front of it, and a broker.
package backends

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/telemetry"
)

// Options are what all backends get.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil registers nothing
}

// Backends are a process's backends, open.
type Backends struct {
	// Store is the database behind its cache. Everything that writes goes
	// through it.
	Store kv.Store

	// Maintainer is the upkeep of the database.
	Maintainer kv.Maintainer

	// Broker carries asynchronous writes; nil where there is none.
	Broker broker.Broker

	database database
}

// database is what each technology opens for TRIVET_DATABASE_URL.
type database interface {
	telemetry.Store

	// Failed is closed when only a new start of the process can bring writes
	// back; Err then says why.
	Failed() <-chan struct{}
	Err() error

	Close() error
}

// Open opens the backends, all at once since most of a start is waiting for
// disks. When one fails, the others are closed again. The error names the
// variable that named the backend.
func Open(cfg config.Backends, opts Options) (*Backends, error) {
	var (
		db              database
		queue           broker.Broker
		dbErr, queueErr error
		wg              sync.WaitGroup
	)
	wg.Go(func() { db, dbErr = open("TRIVET_DATABASE_URL", cfg.Database, databases, opts) })
	wg.Go(func() { queue, queueErr = open("TRIVET_BROKER_URL", cfg.Broker, brokers, opts) })
	shared, cacheErr := open("TRIVET_CACHE_URL", cfg.Cache, caches, opts)
	wg.Wait()

	b := &Backends{database: db}
	if queue != nil {
		b.Broker = telemetry.InstrumentBroker(queue, opts.Registerer)
	}
	if err := errors.Join(dbErr, queueErr, cacheErr); err != nil {
		return nil, errors.Join(firstOf(dbErr, queueErr, cacheErr), b.Close())
	}
	measured := telemetry.InstrumentStore(db, opts.Registerer)
	b.Maintainer = measured
	b.Store = cached.New(measured, telemetry.InstrumentCache(shared, opts.Registerer), cached.Options{Metrics: opts.Registerer})
	return b, nil
}

// firstOf gives one error, so that a start fails with one line.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Failed is closed when only a new start of the process can bring writes back.
func (b *Backends) Failed() <-chan struct{} { return b.database.Failed() }

// Err says what Failed tells of, nil before it.
func (b *Backends) Err() error { return b.database.Err() }

// Dependencies lists the backends for health checks.
func (b *Backends) Dependencies() []health.Dependency {
	list := []health.Dependency{{Name: "database", Ping: b.pingDatabase}}
	if b.Broker != nil {
		list = append(list, health.Dependency{Name: "broker", Ping: b.Broker.Ping})
	}
	return list
}

func (b *Backends) pingDatabase(ctx context.Context) error {
	if err := b.database.Err(); err != nil {
		return err
	}
	return b.database.Ping(ctx)
}

// Close closes what is open, the broker first: its handler writes to the
// database.
func (b *Backends) Close() error {
	var errs []error
	if b.Broker != nil {
		if err := b.Broker.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the broker: %w", err))
		}
	}
	if b.database != nil {
		if err := b.database.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the database: %w", err))
		}
	}
	return errors.Join(errs...)
}

// open finds the opener for a URL's scheme.
func open[T any](variable string, u config.URL, openers map[string]opener[T], opts Options) (T, error) {
	var none T
	scheme := u.Parsed().Scheme
	openBackend, ok := openers[scheme]
	if !ok {
		supported := make([]string, 0, len(openers))
		for name := range openers {
			supported = append(supported, name)
		}
		slices.Sort(supported)
		return none, &config.Error{Name: variable, Problem: fmt.Sprintf(
			"unknown scheme %q; supported: %s", scheme, strings.Join(supported, ", "))}
	}
	backend, err := openBackend(u.Parsed(), opts)
	var malformed *urlError
	switch {
	case errors.As(err, &malformed):
		return none, &config.Error{Name: variable, Problem: malformed.problem}
	case err != nil:
		return none, fmt.Errorf("%s: %s", variable, reason(err))
	}
	return backend, nil
}

// urlError is a URL that its backend cannot mean, which is for whoever wrote
// the configuration; other errors are the backend's own.
type urlError struct{ problem string }

func (e *urlError) Error() string { return e.problem }

// reason gives an error as a line for the operator: without its code, which is
// for programs.
func reason(err error) string {
	var e *kv.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Cause == nil || strings.Contains(e.Detail, e.Cause.Error()) {
		return e.Detail
	}
	return e.Detail + ": " + e.Cause.Error()
}
