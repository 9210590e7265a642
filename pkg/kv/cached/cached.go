// Package cached puts a cache in front of a [kv.Store] without ever answering
// an entry older than the last write that was acknowledged before the read
// began. It runs the protocol whose steps package cache defines: every write
// goes through it, and every writer of the store has to go through it.
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
	cache   cache.Cache
	opts    Options
	flights *flights
	metrics *metrics
}

var _ kv.Store = (*Store)(nil)

// New puts a cache in front of a store. It panics when its metrics are
// registered already.
func New(store kv.Store, c cache.Cache, opts Options) *Store {
	if opts.MarkTTL <= 0 {
		opts.MarkTTL = DefaultMarkTTL
	}
	if opts.ReadTimeout <= 0 {
		opts.ReadTimeout = DefaultReadTimeout
	}
	if opts.StepTimeout <= 0 {
		opts.StepTimeout = DefaultStepTimeout
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{database: store, cache: c, opts: opts, metrics: newMetrics(opts.Metrics)}
	s.flights = newFlights(s.readThrough, opts.ReadTimeout, s.metrics.shared.Inc)
	return s
}

// Get reads one key. A Strong read asks the database. A Shared read may be
// answered by the cache. A Local read is a Shared one, since this process keeps
// nothing of its own in front of the shared cache, and so never older than
// MaxAge allows. A cached answer below MinVersion is not final: the database is
// asked.
func (s *Store) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	if opts.Consistency == kv.Strong {
		return s.database.Get(ctx, ns, key, opts)
	}
	k := cache.Key{Namespace: ns, Key: key}
	found, err := s.cache.Read(ctx, k)
	switch {
	case err != nil:
		// A cache that does not answer costs time, never the answer.
		s.metrics.failed(stepRead)
		return s.database.Get(ctx, ns, key, opts)
	case found.Found && found.Entry.Version < opts.MinVersion:
		return s.database.Get(ctx, ns, key, opts)
	case found.Found && found.Absent:
		return found.Entry, kv.ErrNotFound
	case found.Found:
		return found.Entry, nil
	}
	entry, err := s.flights.join(ctx, k, max(found.Lease, found.Held))
	if entry.Version < opts.MinVersion && conclusive(err) {
		return s.database.Get(ctx, ns, key, opts)
	}
	return entry, err
}

// readThrough reads the database and fills the cache under a lease, 0 for none.
func (s *Store) readThrough(ctx context.Context, key cache.Key, lease cache.Lease) (kv.Entry, error) {
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
