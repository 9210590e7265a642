package cachetest

import (
	"maps"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

var entryTests = []test{
	{"an entry is answered as it was stored", func(f *fixture) {
		want := entryAt(1)
		want.ContentType, want.Meta = "text/plain", map[string]string{"a": "b"}
		want.CreatedAt, want.UpdatedAt = time.Unix(1, 0), time.Unix(2, 0)
		want.Age = time.Hour
		if filled, err := f.Cache.Fill(f.Context(), theKey, f.leased(), want, false); err != nil || !filled {
			f.Fatalf("fill: %v, %v", filled, err)
		}
		got := f.read().Entry
		if got.Source != kv.SourceCache || got.Age != 0 {
			f.Fatalf("source %q, age %s", got.Source, got.Age)
		}
		if got.Version != 1 || string(got.Value) != string(want.Value) || got.Size != want.Size || got.ContentType != want.ContentType ||
			!maps.Equal(got.Meta, want.Meta) || !got.CreatedAt.Equal(want.CreatedAt) || !got.UpdatedAt.Equal(want.UpdatedAt) ||
			got.Position != want.Position || got.Key != want.Key || got.TTLLeft != 0 {
			f.Fatalf("answered %+v, stored %+v", got, want)
		}
	}},

	{"the time to live counts down to its end", func(f *fixture) {
		for name, store := range map[string]func(e kv.Entry){
			"fill": func(e kv.Entry) {
				if filled, err := f.Cache.Fill(f.Context(), theKey, f.leased(), e, false); err != nil || !filled {
					f.Fatalf("fill: %v, %v", filled, err)
				}
			},
			"finish": func(e kv.Entry) {
				f.finished(f.begin(), cache.Finished{Key: theKey, Version: e.Version, Entry: &e})
			},
		} {
			f.Forget(theKey)
			e := entryAt(1)
			e.TTLLeft, e.ExpiresAt = 3*time.Second, time.Unix(1000, 0)
			store(e)
			for left := e.TTLLeft; left > 0; left -= time.Second {
				if got := f.read(); !got.Found || got.Entry.TTLLeft != left || !got.Entry.ExpiresAt.Equal(e.ExpiresAt) {
					f.Fatalf("%s: %s before its end: %+v", name, left, got)
				}
				f.Advance(time.Second)
			}
			f.leased()
		}
	}},

	{"an entry with no time left is not stored", func(f *fixture) {
		for _, left := range []time.Duration{0, -time.Second} {
			e := entryAt(1)
			e.TTLLeft, e.ExpiresAt = left, time.Unix(1000, 0)
			lease := f.leased()
			if filled, err := f.Cache.Fill(f.Context(), theKey, lease, e, false); err != nil || filled {
				f.Fatalf("fill: %v, %v", filled, err)
			}
			f.finished(f.begin(), cache.Finished{Key: theKey, Version: 1, Entry: &e})
			if found := f.read(); found.Found {
				f.Fatalf("read answered %+v", found)
			}
			f.Forget(theKey)
		}
	}},

	{"an absent key is remembered, for a short time", func(f *fixture) {
		gone := kv.Entry{Key: theKey.Key, Version: 7, Position: 9}
		if filled, err := f.Cache.Fill(f.Context(), theKey, f.leased(), gone, true); err != nil || !filled {
			f.Fatalf("fill: %v, %v", filled, err)
		}
		f.Advance(f.AbsentTTL - time.Millisecond)
		found := f.read()
		if !found.Found || !found.Absent || found.Entry.Version != 7 || found.Entry.Position != 9 || found.Entry.Value != nil || found.Entry.Key != theKey.Key {
			f.Fatalf("read answered %+v", found)
		}
		f.Advance(time.Millisecond)
		f.leased()
	}},

	{"a key that never was is remembered as absent", func(f *fixture) {
		if filled, err := f.Cache.Fill(f.Context(), theKey, f.leased(), kv.Entry{Key: theKey.Key}, true); err != nil || !filled {
			f.Fatalf("fill: %v, %v", filled, err)
		}
		if found := f.read(); !found.Found || !found.Absent || found.Entry.Version != 0 {
			f.Fatalf("read answered %+v", found)
		}
	}},

	{"an absent key that is inserted is not hidden", func(f *fixture) {
		fillAbsent := func(l cache.Lease) bool {
			filled, err := f.Cache.Fill(f.Context(), theKey, l, kv.Entry{Key: theKey.Key}, true)
			if err != nil {
				f.Fatal(err)
			}
			return filled
		}
		if !fillAbsent(f.leased()) {
			f.Fatal("not filled")
		}
		f.finish(f.begin(), 1)
		f.finds(1)

		// Read before the insert, filled after it.
		f.Forget(theKey)
		lease := f.leased()
		m := f.begin()
		if fillAbsent(lease) {
			f.Fatal("filled while the insert is under way")
		}
		f.finish(m, 2)
		if fillAbsent(lease) {
			f.Fatal("filled after the insert")
		}
		f.finds(2)
	}},

	{"a deleted key is not resurrected by a slow reader", func(f *fixture) {
		lease := f.leased() // reads version 1 now
		f.finished(f.begin(), cache.Finished{Key: theKey, Version: 2})
		if f.fill(lease, 1) {
			f.Fatal("filled with the version that was deleted")
		}
		f.leased()
	}},

	{"an entry that is too large is not kept, and harms nothing", func(f *fixture) {
		large := entryAt(1)
		large.Value = make([]byte, f.Largest)
		large.Size = int64(len(large.Value))
		if filled, err := f.Cache.Fill(f.Context(), theKey, f.leased(), large, false); err != nil || filled {
			f.Fatalf("fill: %v, %v", filled, err)
		}
		f.known(1)
		large.Version = 2
		f.finished(f.begin(), cache.Finished{Key: theKey, Version: 2, Entry: &large})
		f.known(2)
	}},
}
