//go:build unix

package postgres_test

import (
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/kv/storetest"
	"github.com/trivetkv/trivet/pkg/testserver"
)

func open(t testing.TB, opts postgres.Options) *postgres.Store {
	t.Helper()
	if opts.MaxConns == 0 {
		opts.MaxConns = 8
	}
	if opts.StartTimeout == 0 {
		opts.StartTimeout = 20 * time.Second // the machine has much to do
	}
	s, err := postgres.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// TestStore runs the suite with a clock of its own, so that what needs an exact
// moment is tested too.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) storetest.Harness {
		url, clock := testserver.PostgresURL(t), storetest.NewClock()
		var s *postgres.Store
		var reopen func(t *testing.T) storetest.Harness
		reopen = func(t *testing.T) storetest.Harness {
			if s != nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, postgres.Options{URL: url, Now: clock.Now})
			return storetest.Harness{Store: s, Maintainer: s, Clock: clock, Reopen: reopen}
		}
		return reopen(t)
	})
}

// TestStoreByTheDatabasesClock runs the suite as the store is used.
func TestStoreByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) storetest.Harness {
		s := open(t, postgres.Options{URL: testserver.PostgresURL(t)})
		return storetest.Harness{Store: s, Maintainer: s}
	})
}

// TestStoreBehindACache runs the suite with the steps of a cache around each
// batch of puts.
func TestStoreBehindACache(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) storetest.Harness {
		s := open(t, postgres.Options{URL: testserver.PostgresURL(t)})
		c, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Harness{Store: cached.New(s, c, cached.Options{}), Maintainer: s}
	})
}
