//go:build unix

package postgres_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// TestSequencerIsHandedOver stops the heart of the process that sequences.
// Another one's watch goes on within 5 s.
func TestSequencerIsHandedOver(t *testing.T) {
	t.Parallel()
	server := testserver.SharedPostgres(t)
	url := server.NewURL(t)
	first := open(t, postgres.Options{URL: url})
	eventually(t, 5*time.Second, "the first one sequences", first.Sequences)
	second := open(t, postgres.Options{URL: url})
	if second.Sequences() {
		t.Fatal("both sequence")
	}
	if err := first.StopHeart(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	apply(t, second, put("k", "1"))
	if err := second.Await(t.Context(), space, 0); err != nil { // asks nobody to make a pass
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the hand-over took %s", took)
	}
	if !second.Sequences() || first.Sequences() {
		t.Errorf("first sequences: %v, second: %v", first.Sequences(), second.Sequences())
	}
}

// TestManyProcessesShareOneLog writes from several processes and follows from
// each of them.
func TestManyProcessesShareOneLog(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	const processes, writes = 3, 60
	stores := make([]*postgres.Store, processes)
	for i := range stores {
		stores[i] = open(t, postgres.Options{URL: url})
	}
	logs := make([][]kv.Change, processes)
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			for n := range writes {
				op := put(fmt.Sprintf("k%d", n%5), "1")
				if n%3 == 0 {
					op = increment("n")
				}
				if _, err := s.Apply(t.Context(), space, op, kv.Identity{}); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
		wg.Go(func() {
			for after := kv.Position(0); len(logs[i]) < processes*writes; {
				if err := s.Await(t.Context(), space, after); err != nil {
					t.Errorf("await: %v", err)
					return
				}
				page, err := s.Changes(t.Context(), space, kv.ChangeQuery{After: after, Limit: 50})
				if err != nil {
					t.Errorf("changes: %v", err)
					return
				}
				logs[i] = append(logs[i], page.Changes...)
				after = page.Next
			}
		})
	}
	wg.Wait()
	last := map[string]kv.Version{}
	for i, c := range logs[0] {
		if c.Position != kv.Position(i+1) || c.Version <= last[c.Key] {
			t.Fatalf("change %d is %+v, after version %d", i, c, last[c.Key])
		}
		last[c.Key] = c.Version
		for _, other := range logs[1:] {
			if other[i].Key != c.Key || other[i].Version != c.Version || other[i].Position != c.Position {
				t.Fatalf("change %d is %+v for one process and %+v for another", i, c, other[i])
			}
		}
	}
}

// TestUpkeepRunsOnce has two processes sweep at the same time, and the second
// take over when the first has closed.
func TestUpkeepRunsOnce(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	first, second := open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})
	sweep := func(s *postgres.Store, want int) {
		t.Helper()
		if n, err := s.Sweep(t.Context(), 100); err != nil || n != want {
			t.Fatalf("swept %d, %v; want %d", n, err, want)
		}
		if _, err := s.Compact(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
	}
	lapse := func(key string) {
		t.Helper()
		op := put(key, "1")
		op.TTL = kv.MinTTL
		apply(t, first, op)
		eventually(t, 5*time.Second, "the entry expires", func() bool {
			_, err := second.Get(t.Context(), space, key, kv.ReadOptions{})
			return kv.CodeOf(err) == kv.CodeNotFound
		})
	}
	sweep(first, 0)
	lapse("a")
	sweep(second, 0)
	sweep(first, 1)
	lapse("b")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	sweep(second, 1)
}

// TestEpoch raises the cache epoch from two processes at once.
func TestEpoch(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	stores := []*postgres.Store{open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})}
	for i, s := range stores {
		e, err := s.PollEpoch(t.Context(), fmt.Sprint(i), true)
		if err != nil || e.Number != 0 || e.Primary != "" || e.Reaching != i {
			t.Fatalf("process %d: %+v, %v", i, e, err)
		}
	}
	var wg sync.WaitGroup
	raised := make([]epoch.Epoch, len(stores))
	for i, s := range stores {
		wg.Go(func() {
			var err error
			if raised[i], err = s.RaiseEpoch(t.Context(), 0, fmt.Sprint(i)); err != nil {
				t.Errorf("raise: %v", err)
			}
		})
	}
	wg.Wait()
	if raised[0].Number != 1 || raised[1].Number != 1 || raised[0].Primary != raised[1].Primary {
		t.Fatalf("raised %+v", raised)
	}
	if e, err := stores[0].PollEpoch(t.Context(), "0", false); err != nil || e.Number != 1 || e.Reaching != 1 || e.Age <= 0 || e.Age > time.Minute {
		t.Fatalf("epoch %+v, %v", e, err)
	}
	if e, err := stores[1].PollEpoch(t.Context(), "1", true); err != nil || e.Reaching != 0 {
		t.Fatalf("when the other has lost the cache: %+v, %v", e, err)
	}
}
