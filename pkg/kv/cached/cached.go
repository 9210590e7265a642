// Package cached puts a cache in front of a [kv.Store] without ever answering
// an entry older than the last write that was acknowledged before the read
// began. It runs the protocol whose steps package cache defines: every write
// goes through it, and every writer of the store has to go through it.
//
// Reads that say how old an answer may be are answered by this process's own
// cache, where there is one. When the shared cache does not answer, reads go to
// the store, a bounded number at a time.
//
// Lists, history, versions, changes and records are the store's own.
package cached

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Defaults of [Options].
const (
	DefaultMarkTTL     = 30 * time.Second
	DefaultReadTimeout = 10 * time.Second
	DefaultStepTimeout = time.Second
	DefaultDirectReads = 64
	DefaultDirectWait  = time.Second
)

// Options of a [Store]. The zero value is useful.
type Options struct {
	// MarkTTL is how long the mark of a write stands that never finishes:
	// longer than a write may wait for and take in the store. 0: DefaultMarkTTL.
	MarkTTL time.Duration

	// ReadTimeout bounds a read of the store that callers share.
	// 0: DefaultReadTimeout.
	ReadTimeout time.Duration

	// StepTimeout bounds a step of the cache that is made even when the caller
	// has gone: Fill and Finish. 0: DefaultStepTimeout.
	StepTimeout time.Duration

	// ProcessBytes is the budget of this process's own cache, which answers
	// Local reads. 0: there is none, which is right where the cache is in this
	// process anyway.
	ProcessBytes int64

	// DirectReads bounds how many reads the store gets at a time that the cache
	// cannot help with, because it is out of reach or the key is being written.
	// 0: DefaultDirectReads.
	DirectReads int

	// DirectWait is how long such a read waits for others to end before it is
	// answered overloaded. 0: DefaultDirectWait.
	DirectWait time.Duration

	// OnLoss is told of a write's step that could not be confirmed, so that
	// what the cache holds may be out of date. When it returns nil, nobody uses
	// what the cache held until now, and the write goes on as if the step had
	// been made. Without it, or when it fails, the write fails: before the
	// commit when its Begin could not be confirmed; as unavailable, its outcome
	// unknown to the caller, when its Finish could not. A cache in this process
	// never fails a step.
	OnLoss func(ctx context.Context, cause error) error

	Now     func() time.Time      // monotonic time; nil: time.Now
	Metrics prometheus.Registerer // nil registers nothing
}

// database is a name under which a store can be embedded without being a way
// around the cache for others.
type database = kv.Store

// Store is a [kv.Store] behind a cache.
type Store struct {
	database
	grouper kv.PutGrouper // the database, where it commits puts in groups; else nil
	cache   cache.Cache
	opts    Options
	flights *flights
	direct  *gate
	process *processCache // nil: there is none
	metrics *metrics
}

var _ kv.Store = (*Store)(nil)

// New puts a cache in front of a store. It panics when its metrics are
// registered already.
func New(store kv.Store, c cache.Cache, opts Options) *Store {
	setDefault(&opts.MarkTTL, DefaultMarkTTL)
	setDefault(&opts.ReadTimeout, DefaultReadTimeout)
	setDefault(&opts.StepTimeout, DefaultStepTimeout)
	setDefault(&opts.DirectReads, DefaultDirectReads)
	setDefault(&opts.DirectWait, DefaultDirectWait)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{database: store, cache: c, opts: opts}
	s.metrics = newMetrics(opts.Metrics, func() int64 {
		if s.process == nil {
			return 0
		}
		return s.process.bytes()
	})
	if opts.ProcessBytes > 0 {
		var err error
		if s.process, err = newProcessCache(opts.ProcessBytes, s.metrics.evictions.Inc); err != nil {
			panic(err) // the options are fixed in this package
		}
	}
	if grouper, ok := store.(kv.PutGrouper); ok {
		s.grouper = grouper
		grouper.Bracket(s.around)
	}
	s.direct = newGate(opts.DirectReads, opts.DirectWait, s.metrics.refused.Inc)
	s.flights = newFlights(s.readThrough, opts.ReadTimeout, s.metrics.shared.Inc)
	return s
}

func setDefault[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Get reads one key. A Strong read asks the database. A Shared read may be
// answered by the shared cache. A Local read may be answered by this process's
// own cache, if what that keeps is not older than MaxAge, and is a Shared one
// else. A cached answer below MinVersion is not final: the database is asked.
func (s *Store) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	if opts.Consistency == kv.Strong {
		return s.database.Get(ctx, ns, key, opts)
	}
	k := cache.Key{Namespace: ns, Key: key}
	if opts.Consistency != kv.Local || s.process == nil {
		return s.getShared(ctx, k, opts)
	}
	now := s.opts.Now()
	if e, absent, ok := s.process.get(k, opts, now); ok {
		s.metrics.processHits.Inc()
		if absent {
			return e, kv.ErrNotFound
		}
		return e, nil
	}
	s.metrics.processMisses.Inc()
	e, err := s.getShared(ctx, k, opts)
	if conclusive(err) {
		s.process.put(k, e, err != nil, now)
	}
	return e, err
}

func (s *Store) getShared(ctx context.Context, k cache.Key, opts kv.ReadOptions) (kv.Entry, error) {
	found, err := s.cache.Read(ctx, k)
	switch {
	case err != nil:
		// A cache that does not answer costs time, never the answer.
		s.metrics.failed(stepRead)
		found = cache.Lookup{}
	case found.Found && found.Entry.Version < opts.MinVersion:
		return s.database.Get(ctx, k.Namespace, k.Key, opts)
	case found.Found && found.Absent:
		return found.Entry, kv.ErrNotFound
	case found.Found:
		return found.Entry, nil
	}
	entry, err := s.flights.join(ctx, k, max(found.Lease, found.Held))
	if entry.Version < opts.MinVersion && conclusive(err) {
		return s.database.Get(ctx, k.Namespace, k.Key, opts)
	}
	return entry, err
}

// readThrough reads the database and fills the cache under a lease. Without
// one, 0, it takes its turn with others that the cache cannot help.
func (s *Store) readThrough(ctx context.Context, key cache.Key, lease cache.Lease) (kv.Entry, error) {
	if lease == 0 {
		if err := s.direct.enter(ctx); err != nil {
			return kv.Entry{Key: key.Key}, err
		}
		defer s.direct.leave()
	}
	began := s.opts.Now()
	entry, err := s.database.Get(ctx, key.Namespace, key.Key, kv.ReadOptions{Consistency: kv.Strong})
	if lease == 0 || !conclusive(err) {
		return entry, err // an error is the answer of this read alone
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.StepTimeout)
	defer cancel()
	if _, err := s.cache.Fill(ctx, key, lease, s.aged(entry, began), err != nil); err != nil {
		s.metrics.failed(stepFill)
	}
	return entry, err
}

// aged counts an entry's TTL down by the time since before the database
// measured it, so that no cache keeps an entry longer than the database does.
func (s *Store) aged(e kv.Entry, since time.Time) kv.Entry {
	if !e.ExpiresAt.IsZero() {
		e.TTLLeft -= s.opts.Now().Sub(since)
	}
	return e
}

// conclusive tells that a read has an answer, be it that the key is absent.
func conclusive(err error) bool { return err == nil || errors.Is(err, kv.ErrNotFound) }
