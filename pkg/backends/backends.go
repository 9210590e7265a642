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
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/cache"
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
	shared   shared
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

// shared is a cache and what comes with one that processes share.
type shared struct {
	cache.Cache // nil: none

	// cover makes up for a step of a write that could not be confirmed; nil: the
	// cache is within this process.
	cover  func(ctx context.Context, cause error) error
	cutOff func() bool
	ping   func(ctx context.Context) error
	stop   func(ctx context.Context) error
}

// opening is what backends are opened with.
type opening struct {
	Options
	settings config.Backends
	database database // of the cache
}

// opener opens the backend that a URL of its scheme names.
type opener[T any] func(u config.URL, o *opening) (T, error)

var (
	databases = map[string]opener[database]{
		"pebble":     openPebble,
		"postgres":   openPostgres,
		"postgresql": openPostgres,
	}
	caches = map[string]opener[shared]{
		"memory":          openMemory,
		"none":            func(config.URL, *opening) (shared, error) { return shared{}, nil },
		"redis":           openRedis,
		"rediss":          openRedis,
		"redis+sentinel":  openRedis,
		"rediss+sentinel": openRedis,
		"redis+cluster":   openRedis,
		"rediss+cluster":  openRedis,
	}
	brokers = map[string]opener[broker.Broker]{
		"amqp":      openAMQP,
		"amqps":     openAMQP,
		"jetstream": openJetStream,
		"none":      func(config.URL, *opening) (broker.Broker, error) { return nil, nil }, //nolint:nilnil // no broker is what was asked for
	}
)

// Bounds of the cache's start and end.
const (
	startTimeout = 4 * time.Second
	stopTimeout  = 5 * time.Second
)

// Open opens the backends: database and broker at once, since most of a start
// is waiting for disks and servers, then the cache, whose epoch the database
// keeps. When one fails, the others are closed again. The error names the
// variable that named the backend.
func Open(cfg config.Backends, opts Options) (*Backends, error) {
	o := &opening{Options: opts, settings: cfg}
	var (
		queue           broker.Broker
		dbErr, queueErr error
		wg              sync.WaitGroup
	)
	wg.Go(func() { o.database, dbErr = open("TRIVET_DATABASE_URL", cfg.Database, databases, o) })
	wg.Go(func() {
		queue, queueErr = open("TRIVET_BROKER_URL", cfg.Broker, brokers, &opening{Options: opts, settings: cfg})
	})
	wg.Wait()
	b := &Backends{database: o.database}
	if queue != nil {
		b.Broker = telemetry.InstrumentBroker(queue, opts.Registerer)
	}
	var cacheErr error
	if dbErr == nil {
		b.shared, cacheErr = open("TRIVET_CACHE_URL", o.cacheURL(), caches, o)
	}
	if err := firstOf(dbErr, queueErr, cacheErr); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	measured := telemetry.InstrumentStore(b.database, opts.Registerer)
	b.Maintainer = measured
	b.Store = b.behindCache(measured, o)
	return b, nil
}

// behindCache puts the cache in front of the database, where there is one. One
// that processes share has a small one of this process in front of it.
func (b *Backends) behindCache(store kv.Store, o *opening) kv.Store {
	if b.shared.Cache == nil {
		return store
	}
	processBytes := int64(o.settings.ProcessCache)
	if b.shared.cover == nil {
		processBytes = 0
	}
	return cached.New(store, telemetry.InstrumentCache(b.shared.Cache, o.Registerer), cached.Options{
		OnLoss:       b.shared.cover,
		ProcessBytes: processBytes,
		DirectReads:  o.settings.DatabaseReads,
		DirectWait:   o.settings.DatabaseReadWait,
		Metrics:      o.Registerer,
	})
}

// isShared tells whether other processes may write to the database.
func (o *opening) isShared() bool { return o.settings.Database.Parsed().Scheme != "pebble" }

// cacheURL gives the cache that was asked for, or the one that fits the
// database.
func (o *opening) cacheURL() config.URL {
	u := o.settings.Cache
	if !u.IsZero() {
		return u
	}
	text := "memory://?size=64MiB"
	if o.isShared() {
		text = "none"
	}
	if err := u.UnmarshalText([]byte(text)); err != nil {
		panic(err) // it is well formed
	}
	return u
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
	if b.shared.ping != nil {
		list = append(list, health.Dependency{Name: "cache", Ping: b.shared.ping})
	}
	if b.Broker != nil {
		list = append(list, health.Dependency{Name: "broker", Ping: b.Broker.Ping})
	}
	return list
}

// CutOff tells that this process has not reached the shared cache for a while
// though others do, so that requests are better off elsewhere.
func (b *Backends) CutOff() bool { return b.shared.cutOff != nil && b.shared.cutOff() }

func (b *Backends) pingDatabase(ctx context.Context) error {
	if err := b.database.Err(); err != nil {
		return err
	}
	return b.database.Ping(ctx)
}

// Close closes what is open, the broker first, since its handler writes to the
// database, which keeps the cache's epoch.
func (b *Backends) Close() error {
	var errs []error
	if b.Broker != nil {
		if err := b.Broker.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the broker: %w", err))
		}
	}
	if b.shared.stop != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := b.shared.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close the cache: %w", err))
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
func open[T any](variable string, u config.URL, openers map[string]opener[T], o *opening) (T, error) {
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
	backend, err := openBackend(u, o)
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
