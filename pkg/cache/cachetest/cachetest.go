// Package cachetest is the suite that every [cache.Cache] has to pass: the rules
// of each step, the sequences in which a broken step would show an entry older
// than an acknowledged write, and random interleavings of writers and readers.
package cachetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Harness is a cache under test, empty and used by nobody else.
type Harness struct {
	Cache cache.Cache

	// Advance lets time pass by the cache's clock, which stands still else.
	Advance func(d time.Duration)

	// Forget drops a key's whole value, as the cache may at any moment.
	Forget func(key cache.Key)

	// AbsentTTL and LeaseTTL are how the cache was set up.
	AbsentTTL, LeaseTTL time.Duration // the latter at least a second

	// Largest is the size, in bytes, of a value that the cache does not keep.
	Largest int
}

// Open makes a new harness and leaves its end to t.Cleanup.
type Open func(t *testing.T) Harness

type test struct {
	name string
	run  func(f *fixture)
}

// Exercise runs the suite. Every test has a harness of its own, and runs in
// parallel with the others.
func Exercise(t *testing.T, open Open) {
	t.Helper()
	for _, topic := range []struct {
		name  string
		tests []test
	}{
		{"step", stepTests},
		{"entry", entryTests},
		{"planted bug", bugTests},
		{"interleaving", interleavingTests},
	} {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range topic.tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					tt.run(&fixture{T: t, Harness: open(t)})
				})
			}
		})
	}
}

// markTTL is longer than any test lets pass without meaning a mark to expire.
const markTTL = time.Minute

// fixture makes steps on one key.
type fixture struct {
	*testing.T
	Harness
}

var (
	theKey = cache.Key{Namespace: "space", Key: "key"}
	marks  atomic.Uint64
)

func newMark() cache.Mark { return cache.Mark(marks.Add(1)) }

func entryAt(v kv.Version) kv.Entry {
	value := fmt.Appendf(nil, "value %d", v)
	return kv.Entry{Key: theKey.Key, Version: v, Value: value, Size: int64(len(value)), Position: kv.Position(v), Source: kv.SourceDatabase}
}

func (f *fixture) begin(keys ...cache.Key) cache.Mark {
	f.Helper()
	if len(keys) == 0 {
		keys = []cache.Key{theKey}
	}
	return f.beginFor(markTTL, keys...)
}

func (f *fixture) beginFor(ttl time.Duration, keys ...cache.Key) cache.Mark {
	f.Helper()
	m := newMark()
	if err := f.Cache.Begin(f.Context(), keys, m, ttl); err != nil {
		f.Fatalf("begin: %v", err)
	}
	return m
}

// finish ends a write of the key that stored version v.
func (f *fixture) finish(m cache.Mark, v kv.Version) {
	f.Helper()
	e := entryAt(v)
	f.finished(m, cache.Finished{Key: theKey, Version: v, Entry: &e})
}

func (f *fixture) finished(m cache.Mark, writes ...cache.Finished) {
	f.Helper()
	if err := f.Cache.Finish(f.Context(), writes, m); err != nil {
		f.Fatalf("finish: %v", err)
	}
}

func (f *fixture) read() cache.Lookup {
	f.Helper()
	found, err := f.Cache.Read(f.Context(), theKey)
	if err != nil {
		f.Fatalf("read: %v", err)
	}
	if found.Found && (found.Lease != 0 || found.Held != 0) || found.Lease != 0 && found.Held != 0 {
		f.Fatalf("read answered %+v", found)
	}
	return found
}

func (f *fixture) fill(l cache.Lease, v kv.Version) bool {
	f.Helper()
	filled, err := f.Cache.Fill(f.Context(), theKey, l, entryAt(v), false)
	if err != nil {
		f.Fatalf("fill: %v", err)
	}
	return filled
}

// finds holds that the cache answers a version.
func (f *fixture) finds(v kv.Version) {
	f.Helper()
	found := f.read()
	if !found.Found || found.Absent || found.Entry.Version != v || string(found.Entry.Value) != string(entryAt(v).Value) {
		f.Fatalf("read answered %+v, want version %d", found, v)
	}
}

// leased holds that the cache answers nothing, and gives the lease.
func (f *fixture) leased() cache.Lease {
	f.Helper()
	found := f.read()
	if found.Found || found.Lease == 0 {
		f.Fatalf("read answered %+v, want a lease", found)
	}
	return found.Lease
}

// barred holds that the cache answers nothing and no lease, since a write is
// under way.
func (f *fixture) barred() {
	f.Helper()
	if found := f.read(); found.Found || found.Lease != 0 || found.Held != 0 {
		f.Fatalf("read answered %+v, want nothing", found)
	}
}

// known puts the key into the cache at a version.
func (f *fixture) known(v kv.Version) {
	f.Helper()
	if !f.fill(f.leased(), v) {
		f.Fatalf("version %d was not filled", v)
	}
	f.finds(v)
}
