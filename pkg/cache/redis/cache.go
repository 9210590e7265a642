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
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/kv"
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

// Begin implements [cache.Cache].
func (c *Cache) Begin(ctx context.Context, keys []cache.Key, mark cache.Mark, ttl time.Duration) error {
	call := &call{script: c.scripts.begin, keys: make([]string, len(keys)), args: make([]any, 0, 2*len(keys))}
	number, err := c.enter(call, c.epochs.Writable)
	if err != nil {
		return err
	}
	own, micros := any(id(uint64(mark))), any(ttl.Microseconds())
	for i, key := range keys {
		call.keys[i] = c.name(number, key)
		call.args = append(call.args, own, micros)
	}
	_, err = c.steps.make(ctx, call)
	return err
}

// Finish implements [cache.Cache].
func (c *Cache) Finish(ctx context.Context, writes []cache.Finished, mark cache.Mark) error {
	call := &call{script: c.scripts.finish, keys: make([]string, len(writes)), args: make([]any, 0, 5*len(writes))}
	number, err := c.enter(call, c.epochs.Writable)
	if err != nil {
		return err
	}
	// Entries of an epoch that nobody reads yet could be out of date by the time
	// that somebody does: a write whose steps are made under the former epoch, or
	// not at all, does not remove them.
	readable, _, ok := c.epochs.Readable()
	keep := ok && readable == number
	own := any(id(uint64(mark)))
	for i, w := range writes {
		call.keys[i] = c.name(number, w.Key)
		var e stored
		if w.Entry != nil && keep {
			e = c.store(w.Entry, false)
		}
		call.args = append(call.args, own, int64(w.Version), e.kind, e.left, e.packed)
	}
	_, err = c.steps.make(ctx, call)
	return err
}

// Read implements [cache.Cache].
func (c *Cache) Read(ctx context.Context, key cache.Key) (cache.Lookup, error) {
	s, number, err := c.use(c.epochs.Readable)
	if err != nil {
		return cache.Lookup{}, err
	}
	value, err := c.reads.value(ctx, s, func(b []byte) []byte { return c.appendName(b, number, key) })
	if err != nil {
		return cache.Lookup{}, err
	}
	if isEntry(value) {
		// By this process's estimate the entry may have ended a moment before
		// Redis says so; then Redis decides.
		if now, expires := c.clock.now(s), expiryOf(value); expires == 0 || now < expires {
			return lookup(value, key, now)
		}
	}
	return c.readOrLease(ctx, s, number, key)
}

// Answers of the script read, but for entries.
const (
	answerLease = 'L'
	answerHeld  = 'H'
	answerBusy  = 'B'
)

func (c *Cache) readOrLease(ctx context.Context, s *session, number int64, key cache.Key) (cache.Lookup, error) {
	lease := newLease()
	answers, err := c.steps.make(ctx, &call{
		session: s, script: c.scripts.read,
		keys: []string{c.name(number, key)},
		args: []any{id(uint64(lease)), c.opts.LeaseTTL.Microseconds()},
	})
	if err != nil {
		return cache.Lookup{}, err
	}
	answer, _ := answers[0].(string)
	switch {
	case isEntry(answer):
		found, err := lookup(answer, key, c.clock.now(s))
		if !found.Entry.ExpiresAt.IsZero() {
			found.Entry.TTLLeft = max(found.Entry.TTLLeft, time.Microsecond)
		}
		return found, err
	case answer == string(answerLease):
		return cache.Lookup{Lease: lease}, nil
	case answer == string(answerBusy):
		return cache.Lookup{}, nil
	case len(answer) == 9 && answer[0] == answerHeld:
		return cache.Lookup{Held: cache.Lease(binary.LittleEndian.Uint64(bytesOf(answer[1:])))}, nil
	default:
		return cache.Lookup{}, errMalformed
	}
}

func lookup(value string, key cache.Key, now int64) (cache.Lookup, error) {
	e, absent, err := unpack(value, key.Key, now)
	if err != nil {
		return cache.Lookup{}, err
	}
	return cache.Lookup{Found: true, Entry: e, Absent: absent}, nil
}

// Fill implements [cache.Cache].
func (c *Cache) Fill(ctx context.Context, key cache.Key, lease cache.Lease, entry kv.Entry, absent bool) (bool, error) {
	call := &call{script: c.scripts.fill}
	number, err := c.enter(call, c.epochs.Readable)
	if err != nil {
		return false, err
	}
	e := c.store(&entry, absent)
	call.keys = []string{c.name(number, key)}
	call.args = []any{id(uint64(lease)), int64(entry.Version), e.kind, e.left, e.packed}
	answers, err := c.steps.make(ctx, call)
	if err != nil {
		return false, err
	}
	return answers[0] == int64(1), nil
}

// stored is an entry as the scripts take it. The zero value is one that is not
// to be stored.
type stored struct {
	kind   string
	left   int64 // µs, 0 for all time
	packed []byte
}

// store packs an entry, unless it is too large or has no time left.
func (c *Cache) store(e *kv.Entry, absent bool) stored {
	if absent {
		gone := kv.Entry{Position: e.Position}
		return stored{string(kindAbsent), c.opts.AbsentTTL.Microseconds(), pack(&gone)}
	}
	var left int64
	if !e.ExpiresAt.IsZero() {
		if left = e.TTLLeft.Microseconds(); left <= 0 {
			return stored{}
		}
	}
	if len(e.Value) >= c.opts.MaxEntryBytes {
		return stored{}
	}
	return stored{string(kindEntry), left, pack(e)}
}

// use gives the session and the epoch of a step, if there are any that fit.
func (c *Cache) use(of func() (int64, string, bool)) (*session, int64, error) {
	s := c.session.Load()
	if s == nil || s.down.Load() {
		return nil, 0, errNotReached
	}
	number, state, ok := of()
	switch {
	case !ok:
		return nil, 0, errNoEpoch
	case state != s.state:
		return nil, 0, errOtherEpoch
	}
	return s, number, nil
}

func (c *Cache) enter(call *call, of func() (int64, string, bool)) (number int64, err error) {
	call.session, number, err = c.use(of)
	return number, err
}

// trip makes a round trip on the session that stands. One that fails for more
// than its own sake takes the session down until Redis has been looked at.
func (c *Cache) trip(ctx context.Context, s *session, do func(ctx context.Context) error) error {
	if s != c.session.Load() {
		return errSessionEnded
	}
	if s.down.Load() {
		return errNotReached
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	err := do(ctx)
	if err == nil {
		return nil
	}
	c.metrics.failures.Inc()
	if unusable(err) {
		s.down.Store(true)
		c.keeper.Poke()
	}
	return fmt.Errorf("ask Redis: %w", err)
}

// unusable tells whether an error speaks of the server rather than of one
// command.
func unusable(err error) bool {
	var answer goredis.Error
	if !errors.As(err, &answer) {
		return true
	}
	for _, prefix := range []string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "TRYAGAIN"} {
		if goredis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// Probe implements [epoch.Primary]: it looks at Redis, and begins a session
// with what it finds.
func (c *Cache) Probe(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.opts.Timeout)
	defer cancel()
	c.probing.Lock()
	defer c.probing.Unlock()
	former := c.session.Load()
	if former != nil {
		err := c.revisit(ctx, former)
		if err == nil {
			return former.state, nil
		}
		former.down.Store(true)
		if !former.ended.Load() {
			return "", fmt.Errorf("look at Redis: %w", err)
		}
	}
	next, nodes, err := c.address.open(ctx, c.opts, c.scripts.all())
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("connect to Redis: no answer in time: %w", err)
		}
		return "", fmt.Errorf("connect to Redis: %w", err)
	}
	select {
	case <-c.stopped:
		return "", errors.Join(errStopped, next.client.Close())
	default:
	}
	c.warn(nodes)
	c.session.Store(next)
	if former != nil {
		_ = former.client.Close() // what is under way on it fails, as it should
	}
	return next.state, nil
}

// revisit looks whether Redis is in the state of a session still.
func (c *Cache) revisit(ctx context.Context, s *session) error {
	before := s.ahead.Load()
	nodes, err := s.look(ctx)
	if err != nil {
		return err
	}
	if stateOf(nodes) != s.state {
		s.ended.Store(true)
		return errAnotherState
	}
	c.checkClock(ctx, time.Duration(s.ahead.Load()-before)*time.Microsecond)
	s.down.Store(false)
	return nil
}

// checkClock raises the epoch when Redis' clock has been set: deadlines that
// were taken by it before are wrong by as much.
func (c *Cache) checkClock(ctx context.Context, step time.Duration) {
	if step.Abs() < clockStep+c.opts.Timeout {
		return
	}
	if err := c.Cover(ctx, fmt.Errorf("the clock of Redis was set by %s", step.Round(time.Millisecond))); err != nil {
		c.opts.Logger.Error("the clock of Redis was set, and entries may outlive their time", "error", err)
	}
}

// warn tells of a server that does not make room for new entries.
func (c *Cache) warn(nodes []node) {
	for _, n := range nodes {
		if n.policy == "noeviction" {
			c.opts.Logger.Warn("Redis keeps everything until its memory is full (maxmemory-policy noeviction) and then stores nothing new; set allkeys-lru",
				"maxmemory_set", n.bounded)
			return
		}
	}
}

// name gives the name of a key in Redis. The braces have a cluster divide the
// keys by all of their name, whatever braces keys have.
func (c *Cache) name(number int64, key cache.Key) string {
	return string(c.appendName(make([]byte, 0, 64+len(key.Namespace)+len(key.Key)), number, key))
}

func (c *Cache) appendName(b []byte, number int64, key cache.Key) []byte {
	b = append(b, "{}"...)
	b = append(b, c.address.prefix...)
	b = append(b, ':')
	b = append(b, formatVersion...)
	b = strconv.AppendInt(b, number, 36)
	b = append(b, ':')
	b = append(b, key.Namespace...)
	b = append(b, '/')
	return append(b, key.Key...)
}

// formatVersion tells values of this form from those of releases that write
// another.
const formatVersion = "1."

// id gives a mark's or a lease's eight bytes.
func id(n uint64) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return string(b[:])
}

func newLease() cache.Lease {
	for {
		if l := cache.Lease(rand.Uint64()); l != 0 { //nolint:gosec // has to be unique, not secret
			return l
		}
	}
}
