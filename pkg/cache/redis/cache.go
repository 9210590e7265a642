// Package redis is a [cache.Cache] that many processes share, in Redis: one
// server, a primary that Sentinels watch over, or a cluster.
//
// Each step of the protocol is one script on one key. A read of an entry is a
// plain GET, and those of concurrent callers are one command. When Redis may
// have lost something, the cache epoch is raised, which is part of every key;
// see DESIGN.md beside this file.
package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// Defaults of [Options].
const (
	DefaultTimeout       = 500 * time.Millisecond
	DefaultAbsentTTL     = time.Second
	DefaultLeaseTTL      = 10 * time.Second
	DefaultMaxEntryBytes = 1 << 20
)

const (
	readLoops = 2 // with more, round trips carry less each, and processors do more
	stepLoops = 1 // a second one would halve what a run of a script is shared by

	// clockStep is how far Redis' clock may be off what it was a moment ago
	// before deadlines are not trusted.
	clockStep = time.Second
)

// Options of a [Cache]. Epochs and Logger are needed.
type Options struct {
	Epochs      epoch.Store
	Bound       time.Duration // how old an answer may be after a loss of Redis; 0: epoch.DefaultBound
	Credentials Credentials   // of new connections; nil: those of the address

	Timeout       time.Duration // of a round trip; 0: DefaultTimeout
	AbsentTTL     time.Duration // how long an absent key is remembered; 0: DefaultAbsentTTL
	LeaseTTL      time.Duration // how long a reader may take to fill; 0: DefaultLeaseTTL
	MaxEntryBytes int           // larger entries are not kept; 0: DefaultMaxEntryBytes

	Metrics prometheus.Registerer // nil registers nothing
	Logger  *slog.Logger
}

// Cache keeps entries in Redis. It is a lifecycle.Service: before Start, while
// Redis is out of reach, and for a moment after it may have lost something,
// steps fail at once.
type Cache struct {
	address Address
	opts    Options
	keeper  *epoch.Keeper
	epochs  epochs
	clock   clock
	scripts scripts
	reads   *reads
	steps   *steps
	loops   lifecycle.Group
	metrics *metrics
	session atomic.Pointer[session]

	probing sync.Mutex // one look at a time
	stop    sync.Once
	stopped chan struct{}
}

// epochs tells under which epoch steps are made, and for which state of Redis.
type epochs interface {
	Refresh(ctx context.Context) error
	Readable() (number int64, state string, ok bool)
	Writable() (number int64, state string, ok bool)
}

var (
	_ cache.Cache       = (*Cache)(nil)
	_ lifecycle.Service = (*Cache)(nil)
	_ epoch.Primary     = (*Cache)(nil)
)

var (
	errSessionEnded = errors.New("the cache is in another state than when the step began")
	errStopped      = errors.New("the cache was stopped")
	errNotReached   = errors.New("redis is out of reach")
	errNoEpoch      = errors.New("the cache epoch is not known, or too young to be read")
	errOtherEpoch   = errors.New("the cache epoch is for another state of Redis than the one within reach")
)

// New makes a cache, which connects at Start.
func New(address Address, opts Options) (*Cache, error) { return newCache(address, opts, serverClock) }

func newCache(address Address, opts Options, by clock) (*Cache, error) {
	setDefault(&opts.Timeout, DefaultTimeout)
	setDefault(&opts.AbsentTTL, DefaultAbsentTTL)
	setDefault(&opts.LeaseTTL, DefaultLeaseTTL)
	setDefault(&opts.MaxEntryBytes, DefaultMaxEntryBytes)
	setClientLog(opts.Logger)
	c := &Cache{address: address, opts: opts, clock: by, scripts: newScripts(by.lua), stopped: make(chan struct{})}
	var err error
	if c.metrics, err = newMetrics(opts.Metrics); err != nil {
		return nil, err
	}
	c.keeper, err = epoch.NewKeeper(opts.Epochs, c, epoch.Options{Bound: opts.Bound, Metrics: opts.Metrics, Logger: opts.Logger})
	if err != nil {
		return nil, err
	}
	c.epochs = c.keeper
	c.reads = newReads(c.trip, c.stopped, c.metrics.readBatch)
	c.steps = newSteps(c.trip, c.clock.arg, c.stopped, c.metrics.stepBatch)
	return c, nil
}

func setDefault[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Start connects. It fails when Redis cannot be reached, refuses the
// credentials, or cannot be used.
func (c *Cache) Start(ctx context.Context) error {
	if err := c.Ping(ctx); err != nil {
		return err
	}
	for range readLoops {
		if err := c.loops.Start(ctx, "reads", lifecycle.NewLoop(c.reads.run)); err != nil {
			return err
		}
	}
	for range stepLoops {
		if err := c.loops.Start(ctx, "steps", lifecycle.NewLoop(c.steps.run)); err != nil {
			return err
		}
	}
	return c.loops.Start(ctx, "epoch", c.keeper)
}

// Stop ends all steps and closes the connections.
func (c *Cache) Stop(ctx context.Context) error {
	c.stop.Do(func() { close(c.stopped) })
	err := c.loops.Stop(ctx)
	c.probing.Lock()
	defer c.probing.Unlock()
	if s := c.session.Swap(nil); s != nil {
		err = errors.Join(err, s.client.Close())
	}
	return err
}

// Ping tells whether Redis answers.
func (c *Cache) Ping(ctx context.Context) error {
	_, err := c.Probe(ctx)
	return err
}

// Cover makes up for a write's step that could not be confirmed; see
// [epoch.Keeper.Cover].
func (c *Cache) Cover(ctx context.Context, cause error) error { return c.keeper.Cover(ctx, cause) }

// CutOff tells that this process has not reached Redis for ten seconds while
// others do.
func (c *Cache) CutOff() bool { return c.keeper.CutOff() }
