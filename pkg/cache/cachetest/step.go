package cachetest

import (
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

var stepTests = []test{
	{"a read of nothing gives one lease", func(f *fixture) {
		lease := f.leased()
		for range 3 {
			if found := f.read(); found.Found || found.Lease != 0 || found.Held != lease {
				f.Fatalf("read answered %+v while lease %d stands", found, lease)
			}
		}
	}},

	{"leases are unique", func(f *fixture) {
		seen := map[cache.Lease]bool{}
		for range 100 {
			lease := f.leased()
			if seen[lease] {
				f.Fatalf("lease %d was given twice", lease)
			}
			seen[lease] = true
			f.Forget(theKey)
		}
	}},

	{"a lease fills once", func(f *fixture) {
		lease := f.leased()
		if !f.fill(lease, 1) {
			f.Fatal("not filled")
		}
		f.finds(1)
		if f.fill(lease, 2) {
			f.Fatal("filled twice")
		}
		f.finds(1)
	}},

	{"a lease that was never given fills nothing", func(f *fixture) {
		lease := f.leased()
		for _, l := range []cache.Lease{0, lease + 1, lease - 1} {
			if f.fill(l, 1) {
				f.Fatalf("filled by lease %d", l)
			}
		}
		if !f.fill(lease, 1) {
			f.Fatal("not filled by the lease that stands")
		}
	}},

	{"a lease ends with its time, and another reader gets one", func(f *fixture) {
		late := f.leased()
		f.Advance(f.LeaseTTL)
		next := f.leased()
		if f.fill(late, 1) {
			f.Fatal("filled by a lease that has ended")
		}
		if !f.fill(next, 2) {
			f.Fatal("not filled by the lease that stands")
		}
		f.finds(2)
	}},

	{"begin removes the entry and bars readers", func(f *fixture) {
		f.known(1)
		f.begin()
		f.barred()
	}},

	{"begin takes the lease away", func(f *fixture) {
		lease := f.leased()
		f.beginFor(f.LeaseTTL/2, theKey)
		if f.fill(lease, 1) {
			f.Fatal("filled though a write began")
		}
		f.barred()
		f.Advance(f.LeaseTTL / 2)
		if next := f.leased(); next == lease || f.fill(lease, 1) {
			f.Fatal("the lease stands again once the mark has expired")
		}
	}},

	{"finish stores the new entry", func(f *fixture) {
		f.known(1)
		f.finish(f.begin(), 2)
		f.finds(2)
	}},

	{"finish of a key that the cache did not know stores it", func(f *fixture) {
		f.finish(f.begin(), 1)
		f.finds(1)
	}},

	{"finish without an entry leaves the key to the next reader", func(f *fixture) {
		f.known(1)
		f.finished(f.begin(), cache.Finished{Key: theKey, Version: 2})
		if !f.fill(f.leased(), 2) {
			f.Fatal("not filled")
		}
		f.finds(2)
	}},

	{"finish of a write that changed nothing leaves the key to the next reader", func(f *fixture) {
		f.known(5)
		f.finished(f.begin(), cache.Finished{Key: theKey})
		if !f.fill(f.leased(), 5) {
			f.Fatal("not filled")
		}
		f.finds(5)
	}},

	{"finish takes the lease away", func(f *fixture) {
		m := f.begin()
		f.Forget(theKey)
		lease := f.leased()
		f.finish(m, 2)
		if found := f.read(); found.Held == lease {
			f.Fatal("a read that began after the write was acknowledged finds the lease standing")
		}
		if f.fill(lease, 1) {
			f.Fatal("filled with what was read before the commit")
		}
	}},

	{"finish without its mark stores nothing", func(f *fixture) {
		m := f.begin()
		f.Forget(theKey)
		f.finish(m, 2)
		f.leased()
	}},

	{"finish drops an older entry", func(f *fixture) {
		m := f.begin()
		f.Forget(theKey)
		f.known(1)
		f.finish(m, 2)
		if found := f.read(); found.Found {
			f.Fatalf("read answered %+v", found)
		}
	}},

	{"finish keeps an entry that is newer", func(f *fixture) {
		m := f.begin()
		f.Forget(theKey)
		f.known(3)
		f.finish(m, 2)
		f.finds(3)
	}},

	{"while two write, the first to finish stores nothing", func(f *fixture) {
		first, second := f.begin(), f.begin()
		f.finish(first, 1)
		f.barred()
		f.finish(second, 2)
		f.finds(2)
	}},

	{"the last to finish stores nothing when its version is the older", func(f *fixture) {
		first, second := f.begin(), f.begin()
		f.finish(second, 2)
		f.finish(first, 1)
		if found := f.read(); found.Found {
			f.Fatalf("read answered %+v", found)
		}
	}},

	{"one who finishes twice stores once", func(f *fixture) {
		m := f.begin()
		f.finish(m, 1)
		f.finish(f.begin(), 2)
		f.finish(m, 1)
		f.finds(2)
	}},

	{"a mark that began twice stands once, for the later time", func(f *fixture) {
		m := f.begin()
		f.Advance(markTTL / 2)
		if err := f.Cache.Begin(f.Context(), []cache.Key{theKey}, m, markTTL); err != nil {
			f.Fatal(err)
		}
		f.Advance(markTTL / 2)
		f.barred()
		f.finish(m, 1)
		f.finds(1)
	}},

	{"a mark bars readers until its time has come", func(f *fixture) {
		f.begin()
		f.Advance(markTTL - time.Millisecond)
		f.barred()
		f.Advance(time.Millisecond)
		f.leased()
	}},

	{"an expired mark keeps other writers from storing, until a reader fills", func(f *fixture) {
		f.begin() // its outcome is never known
		f.Advance(markTTL)
		f.finish(f.begin(), 2)
		lease := f.leased()
		if !f.fill(lease, 2) {
			f.Fatal("not filled")
		}
		f.finds(2)
		f.finish(f.begin(), 3)
		f.finds(3)
	}},

	{"a fill below the floor stores nothing", func(f *fixture) {
		under := f.begin()
		f.finish(f.begin(), 5)
		f.Advance(markTTL)
		_ = under // has expired, and keeps the floor
		if f.fill(f.leased(), 4) {
			f.Fatal("filled with version 4 after version 5 was acknowledged")
		}
		if found := f.read(); found.Found {
			f.Fatalf("read answered %+v", found)
		}
	}},

	{"steps of one write on many keys", func(f *fixture) {
		var keys []cache.Key
		var writes []cache.Finished
		for i := range 50 {
			key := cache.Key{Namespace: "space", Key: string(rune('a' + i))}
			e := entryAt(kv.Version(i + 1))
			e.Key = key.Key
			keys = append(keys, key)
			writes = append(writes, cache.Finished{Key: key, Version: e.Version, Entry: &e})
		}
		m := f.begin(keys...)
		f.finished(m, writes...)
		for i, key := range keys {
			found, err := f.Cache.Read(f.Context(), key)
			if err != nil || !found.Found || found.Entry.Version != kv.Version(i+1) || found.Entry.Key != key.Key {
				f.Fatalf("%v: %+v, %v", key, found, err)
			}
		}
	}},

	{"keys and namespaces are told apart", func(f *fixture) {
		f.known(1)
		for _, key := range []cache.Key{
			{Namespace: "space", Key: "keY"}, {Namespace: "spac", Key: "ekey"}, {Namespace: "spacek", Key: "ey"},
			{Namespace: "space", Key: "key\x00"}, {Namespace: "", Key: "spacekey"},
		} {
			found, err := f.Cache.Read(f.Context(), key)
			if err != nil || found.Found {
				f.Fatalf("%v: %+v, %v", key, found, err)
			}
			f.begin(key)
		}
		f.finds(1)
	}},

	{"thousands of writes without an outcome bar readers no longer than the last mark", func(f *fixture) {
		for range 5000 {
			f.begin()
		}
		last := f.begin()
		f.Advance(markTTL - time.Millisecond)
		f.barred()
		f.finished(last, cache.Finished{Key: theKey})
		f.barred()
		f.Advance(time.Millisecond)
		if !f.fill(f.leased(), 1) {
			f.Fatal("not filled")
		}
		f.finds(1)
	}},
}
