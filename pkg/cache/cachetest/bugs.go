package cachetest

import (
	"github.com/trivetkv/trivet/pkg/kv"
)

// bugTests hold one sequence for each way in which the steps of the protocol
// are known to go wrong: broken so, a cache shows an entry older than a write
// that was acknowledged before the read, or older than an earlier read showed.
// Comments say what the database holds.
var bugTests = []test{
	{"no floor", func(f *fixture) {
		slow, fast := f.begin(), f.begin()
		// The slow one commits version 1, the fast one version 2.
		f.finish(fast, 2) // acknowledged
		f.finish(slow, 1) // must not store what is older
		f.neverBelow(2)
	}},

	{"a write stores without its mark", func(f *fixture) {
		slow := f.begin()
		// It commits version 1.
		f.Forget(theKey)
		f.finish(f.begin(), 2) // acknowledged
		f.Forget(theKey)       // and the floor with it
		f.finish(slow, 1)
		f.neverBelow(2)
	}},

	{"acknowledged before finish", func(f *fixture) {
		f.known(1)
		m := f.begin()
		// Version 2 is committed. Until finish, nobody is answered by the cache,
		// so that whoever is acknowledged first finds nothing older.
		f.barred()
		f.finish(m, 2)
		f.neverBelow(2)
	}},

	{"a fill without the lease", func(f *fixture) {
		slow := f.leased()
		// It reads version 0 of the database.
		f.finish(f.begin(), 1) // acknowledged
		f.Forget(theKey)       // and the floor with it
		if f.fill(slow, 0) {
			f.Fatal("filled without a lease")
		}
		f.neverBelow(1)
	}},

	{"the lease survives begin", func(f *fixture) {
		lease := f.leased()
		// The reader reads version 0; then the write commits version 1, and a
		// strong read shows it. Then the writer dies, and its mark expires.
		f.beginFor(f.LeaseTTL/2, theKey)
		f.Advance(f.LeaseTTL / 2)
		if f.fill(lease, 0) {
			f.Fatal("filled with what was read before the write")
		}
		f.neverBelow(1)
	}},

	{"the entry survives begin", func(f *fixture) {
		f.known(1)
		f.begin()
		// The write commits version 2, and a strong read shows it.
		f.neverBelow(2)
	}},

	{"other marks are ignored", func(f *fixture) {
		first, second := f.begin(), f.begin()
		// Version 1 is committed by the first, version 2 by the second, and a
		// strong read shows version 2 before the second finishes.
		f.finish(first, 1)
		f.neverBelow(2)
		f.finish(second, 2)
		f.finds(2)
	}},

	{"an expired mark is ignored", func(f *fixture) {
		f.begin()
		// Its outcome is unknown: it may commit version 2 at any time.
		f.Advance(markTTL)
		f.finish(f.begin(), 1)
		// Then version 2 is there, and a strong read shows it.
		f.neverBelow(2)
	}},

	{"a count of writers instead of marks", func(f *fixture) {
		// A count that was forgotten is taken down by a write that it no longer
		// counts, and another write's mark is gone.
		forgotten := f.begin()
		f.Forget(theKey)
		f.begin() // commits version 2
		f.finish(forgotten, 1)
		f.barred()
	}},
}

// neverBelow holds that the cache does not answer what is older than a version.
func (f *fixture) neverBelow(v kv.Version) {
	f.Helper()
	if found := f.read(); found.Found && found.Entry.Version < v {
		f.Fatalf("read answered version %d after version %d was shown", found.Entry.Version, v)
	}
}
