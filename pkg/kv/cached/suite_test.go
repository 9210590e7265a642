package cached_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/pkg/kv/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	t.Run("with room", func(t *testing.T) {
		t.Parallel()
		storetest.Exercise(t, func(t *testing.T) storetest.Harness {
			return openSuite(t, vfs.NewMem(), storetest.NewClock(), 256<<20)
		})
	})
	// So small a cache forgets marks and leases of writes and reads under way.
	t.Run("forgetful", func(t *testing.T) {
		t.Parallel()
		storetest.Exercise(t, func(t *testing.T) storetest.Harness {
			h := openSuite(t, vfs.NewMem(), storetest.NewClock(), 4<<10)
			h.SharedLags = true
			return h
		})
	})
}

// openSuite opens a store behind a cache in memory, which a reopen loses.
func openSuite(t *testing.T, disk vfs.FS, clock *storetest.Clock, cacheBytes int64) storetest.Harness {
	t.Helper()
	s, err := pebble.Open("store", pebble.Options{FS: disk, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	stop := func() {
		if closed {
			return
		}
		closed = true
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	c, err := memory.New(memory.Options{MaxBytes: cacheBytes, Now: clock.Monotonic})
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Harness{
		Store:      cached.New(s, c, cached.Options{Now: clock.Monotonic}),
		Maintainer: s,
		Clock:      clock,
		Reopen: func(t *testing.T) storetest.Harness {
			stop()
			return openSuite(t, disk, clock, cacheBytes)
		},
	}
}
