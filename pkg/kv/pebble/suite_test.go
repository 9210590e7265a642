package pebble_test

import (
	"testing"

	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/pkg/kv/storetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) storetest.Harness {
		return openSuite(t, t.TempDir(), storetest.NewClock())
	})
}

// openSuite opens a store that the suite may close and open again.
func openSuite(t *testing.T, dir string, clock *storetest.Clock) storetest.Harness {
	t.Helper()
	s, err := pebble.Open(dir, pebble.Options{Now: clock.Now})
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	closed := false
	stop := func() {
		if closed {
			return
		}
		closed = true
		if err := s.Close(); err != nil {
			t.Errorf("close %s: %v", dir, err)
		}
	}
	t.Cleanup(stop)
	return storetest.Harness{
		Store: s, Maintainer: s, Clock: clock,
		Reopen: func(t *testing.T) storetest.Harness {
			stop()
			return openSuite(t, dir, clock)
		},
	}
}
