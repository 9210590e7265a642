package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/pkg/kv/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) storetest.Harness {
		mem, clock := vfs.NewMem(), storetest.NewClock()
		var reopen func(t *testing.T) storetest.Harness
		var s *pebble.Store
		reopen = func(t *testing.T) storetest.Harness {
			if s != nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, "store", pebble.Options{FS: mem, Now: clock.Now})
			return storetest.Harness{Store: s, Maintainer: s, Clock: clock, Reopen: reopen}
		}
		return reopen(t)
	})
}
