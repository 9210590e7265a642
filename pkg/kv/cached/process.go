package cached

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	// absentAge is how old the answer may be that a key does not exist. A key
	// that was just inserted is missed sooner than an old value is.
	absentAge = time.Second

	// longestStay bounds the age of an entry's Position: a watch from it should
	// not be past the retention of the change log.
	longestStay = time.Hour

	// keptBytes estimates what an entry takes beside its key and value.
	keptBytes = 400

	// largestFraction of the budget is what one entry may take.
	largestFraction = 16
)

// processCache is this process's own cache, for reads that say how old an
// answer may be. Nobody tells it of writes that other processes make.
type processCache struct {
	entries *otter.Cache[cache.Key, *kept]
	largest uint32
}

// kept is an entry, or the knowledge that there is none. It never changes.
type kept struct {
	entry   kv.Entry
	absent  bool
	current time.Time // when it was last known to be current
}

func newProcessCache(maxBytes int64, evicted func()) (*processCache, error) {
	entries, err := otter.New(&otter.Options[cache.Key, *kept]{
		MaximumWeight: uint64(maxBytes), //nolint:gosec // above 0
		Weigher:       weighKept,
		OnAtomicDeletion: func(e otter.DeletionEvent[cache.Key, *kept]) {
			if e.WasEvicted() {
				evicted()
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the process's cache: %w", err)
	}
	return &processCache{entries, uint32(min(maxBytes/largestFraction, 1<<31))}, nil //nolint:gosec // bounded on this line
}

// get answers a read, if what is kept is young and new enough for it.
func (p *processCache) get(key cache.Key, opts kv.ReadOptions, now time.Time) (e kv.Entry, absent, ok bool) {
	k, ok := p.entries.GetIfPresent(key)
	if !ok || k.entry.Version < opts.MinVersion {
		return e, false, false
	}
	age := now.Sub(k.current)
	if age > opts.MaxAge || age > longestStay || k.absent && age > absentAge {
		return e, false, false
	}
	e = k.entry
	e.Age = age
	if !e.ExpiresAt.IsZero() {
		e.TTLLeft -= age
		return e, false, e.TTLLeft > 0
	}
	return e, k.absent, true
}

// put keeps the answer of a read that began when it was current, unless a later
// one is kept.
func (p *processCache) put(key cache.Key, e kv.Entry, absent bool, began time.Time) {
	next := &kept{entry: e, absent: absent, current: began}
	next.entry.Source = kv.SourceProcess
	if weighKept(key, next) > p.largest {
		return
	}
	p.entries.Compute(key, func(k *kept, found bool) (*kept, otter.ComputeOp) {
		if found && (k.current.After(began) || k.entry.Version > e.Version) {
			return k, otter.CancelOp
		}
		return next, otter.WriteOp
	})
}

// forget drops what this process has written.
func (p *processCache) forget(keys []cache.Key) {
	for _, key := range keys {
		p.entries.Invalidate(key)
	}
}

func (p *processCache) bytes() int64 {
	return int64(p.entries.WeightedSize()) //nolint:gosec // at most the budget and what is about to be evicted
}

func weighKept(key cache.Key, k *kept) uint32 {
	n := keptBytes + len(key.Namespace) + len(key.Key) + len(k.entry.Value) + len(k.entry.ContentType)
	for name, value := range k.entry.Meta {
		n += len(name) + len(value) + 64
	}
	return uint32(n) //nolint:gosec // keys, values and metadata are limited to a few MiB
}
