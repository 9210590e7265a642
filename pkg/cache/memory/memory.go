// Package memory is a [cache.Cache] in this process, bounded by bytes.
//
// Steps never fail and never wait for each other but for a moment on the same
// key. What no longer fits is forgotten, marks and leases with it, as the
// protocol allows.
package memory

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Defaults of [Options].
const (
	DefaultMaxBytes  = 64 << 20
	DefaultAbsentTTL = time.Second
	DefaultLeaseTTL  = 10 * time.Second
)

const (
	// largestFraction of the budget is what one entry may take, so that a few
	// large values do not push everything else out.
	largestFraction = 16

	// longestStay bounds the age of an entry's Position: a watch from it should
	// not be past the retention of the change log.
	longestStay = time.Hour
)

// Options of a [Cache]. The zero value is useful.
type Options struct {
	MaxBytes  int64                 // budget of keys, values and bookkeeping; 0: DefaultMaxBytes
	AbsentTTL time.Duration         // how long an absent key is remembered; 0: DefaultAbsentTTL
	LeaseTTL  time.Duration         // how long a reader may take to fill; 0: DefaultLeaseTTL
	Now       func() time.Time      // monotonic time; nil: time.Now
	Metrics   prometheus.Registerer // nil registers nothing
}

// Cache keeps entries in this process's memory.
type Cache struct {
	slots     *otter.Cache[cache.Key, *slot]
	largest   uint32
	absentTTL time.Duration
	leaseTTL  time.Duration
	now       func() time.Time
	leases    atomic.Uint64
}

var _ cache.Cache = (*Cache)(nil)

// New makes a cache.
func New(opts Options) (*Cache, error) {
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.AbsentTTL <= 0 {
		opts.AbsentTTL = DefaultAbsentTTL
	}
	if opts.LeaseTTL <= 0 {
		opts.LeaseTTL = DefaultLeaseTTL
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Cache{
		largest:   uint32(min(opts.MaxBytes/largestFraction, 1<<31)), //nolint:gosec // bounded on this line
		absentTTL: opts.AbsentTTL,
		leaseTTL:  opts.LeaseTTL,
		now:       opts.Now,
	}
	m, err := newMetrics(opts.Metrics, c.Bytes)
	if err != nil {
		return nil, err
	}
	c.slots, err = otter.New(&otter.Options[cache.Key, *slot]{
		MaximumWeight: uint64(opts.MaxBytes), //nolint:gosec // above 0
		Weigher:       weigh,
		OnAtomicDeletion: func(e otter.DeletionEvent[cache.Key, *slot]) {
			if e.WasEvicted() {
				m.evictions.Inc()
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Bytes gives the size of what is kept, by estimate.
func (c *Cache) Bytes() int64 {
	return int64(c.slots.WeightedSize()) //nolint:gosec // at most MaxBytes and what is about to be evicted
}

// Forget drops all that is known of a key, as an eviction does.
func (c *Cache) Forget(key cache.Key) { c.slots.Invalidate(key) }

// Begin implements [cache.Cache].
func (c *Cache) Begin(_ context.Context, keys []cache.Key, id cache.Mark, ttl time.Duration) error {
	now := c.now()
	for _, key := range keys {
		c.update(key, func(s *slot) *stored {
			s.lease = lease{}
			s.mark(id, now.Add(ttl), now)
			return nil
		})
	}
	return nil
}

// Finish implements [cache.Cache].
func (c *Cache) Finish(_ context.Context, writes []cache.Finished, id cache.Mark) error {
	now := c.now()
	for _, w := range writes {
		var written *stored
		if w.Entry != nil {
			written = c.store(w.Key, *w.Entry, false, now)
		}
		c.update(w.Key, func(s *slot) *stored {
			own := s.unmark(id)
			s.lease = lease{}
			s.floor = max(s.floor, w.Version)
			if written != nil && own && len(s.marks) == 0 && w.Version >= s.floor {
				return written
			}
			if s.stored != nil && s.stored.entry.Version < s.floor {
				return nil
			}
			return s.stored
		})
	}
	return nil
}

// Read implements [cache.Cache]. The entry of a present key is found without a
// lock and without an allocation.
func (c *Cache) Read(_ context.Context, key cache.Key) (cache.Lookup, error) {
	now := c.now()
	if s, ok := c.slots.GetIfPresent(key); ok && s.stored.fresh(now) {
		return s.stored.lookup(now), nil
	}
	return c.readOrLease(key, now), nil
}

func (c *Cache) readOrLease(key cache.Key, now time.Time) (found cache.Lookup) {
	c.update(key, func(s *slot) *stored {
		switch {
		case s.stored.fresh(now):
			found = s.stored.lookup(now)
			return s.stored
		case s.marked(now):
		case s.lease.stands(now):
			found.Held = s.lease.id
		default:
			s.lease = lease{id: cache.Lease(c.leases.Add(1)), until: now.Add(c.leaseTTL)}
			found.Lease = s.lease.id
			if len(s.marks) == 0 {
				// The floor guards against writes that are still under way and
				// against readers with an older lease; there are none.
				s.floor = 0
			}
		}
		return nil
	})
	return found
}

// Fill implements [cache.Cache].
func (c *Cache) Fill(_ context.Context, key cache.Key, id cache.Lease, entry kv.Entry, absent bool) (filled bool, err error) {
	now := c.now()
	read := c.store(key, entry, absent, now)
	c.update(key, func(s *slot) *stored {
		if !s.lease.stands(now) || s.lease.id != id {
			return s.stored
		}
		s.lease = lease{}
		if read == nil || s.marked(now) || entry.Version < s.floor {
			return s.stored
		}
		s.marks = nil
		filled = true
		return read
	})
	return filled, nil
}

// update makes one step on a key, under the lock of its hash bucket: step
// changes the slot's marks, lease and floor in place and returns what is
// stored from then on.
func (c *Cache) update(key cache.Key, step func(s *slot) *stored) {
	c.slots.Compute(key, func(s *slot, found bool) (*slot, otter.ComputeOp) {
		if !found {
			s = new(slot)
		}
		next := step(s)
		switch {
		case next == nil && s.idle():
			if !found {
				return nil, otter.CancelOp
			}
			return nil, otter.InvalidateOp
		case found && next == s.stored:
			return nil, otter.CancelOp
		default:
			// Readers look at stored without the lock: it changes with the slot.
			return &slot{stored: next, floor: s.floor, lease: s.lease, marks: s.marks}, otter.WriteOp
		}
	})
}

// store makes what is kept of an entry, nil for one that is too large or has
// no time left.
func (c *Cache) store(key cache.Key, entry kv.Entry, absent bool, now time.Time) *stored {
	s := &stored{entry: entry, absent: absent, until: now.Add(longestStay)}
	if absent {
		s.until = now.Add(c.absentTTL)
	} else if !entry.ExpiresAt.IsZero() {
		if entry.TTLLeft <= 0 {
			return nil
		}
		s.expires = now.Add(entry.TTLLeft)
		if s.expires.Before(s.until) {
			s.until = s.expires
		}
	}
	s.entry.Source = kv.SourceCache
	s.entry.Age = 0 // the protocol keeps no entry that is not current
	if weigh(key, &slot{stored: s}) > c.largest {
		return nil
	}
	return s
}
