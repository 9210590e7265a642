package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/consumer/worker"
)

func TestExpiryShowsInTheChangeLog(t *testing.T) {
	w := newWorld(t)
	op := put("session", "v")
	op.TTL = time.Minute
	if _, err := w.store.Apply(t.Context(), ns, op, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	w.start(t, func(o *worker.Options) { o.Maintainer = w.maintainer; o.SweepInterval = time.Millisecond })
	w.clock.advance(59 * time.Second)
	if got := w.value(t, "session"); got != "v" {
		t.Errorf("before its time it is %q", got)
	}
	w.clock.advance(2 * time.Second)
	eventually(t, "the expiry is a change", func() bool {
		changes := w.changes(t)
		last := changes[len(changes)-1]
		return last.Kind == kv.ChangeExpire && last.Key == "session" && last.Version > changes[0].Version
	})
}

func TestWhatIsPastRetentionIsCompacted(t *testing.T) {
	w := newWorld(t)
	if _, err := w.store.SetNamespace(t.Context(), kv.Namespace{Name: ns, Retention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"1", "2", "3"} {
		if _, err := w.store.Apply(t.Context(), ns, put("k", value), kv.Identity{}); err != nil {
			t.Fatal(err)
		}
	}
	versions := func() int {
		page, err := w.store.History(t.Context(), ns, "k", kv.HistoryQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Versions)
	}
	w.start(t, func(o *worker.Options) { o.Maintainer = w.maintainer; o.CompactInterval = time.Millisecond })
	if got := versions(); got != 3 {
		t.Errorf("within retention there are %d versions, want 3", got)
	}
	w.clock.advance(2 * time.Hour)
	eventually(t, "only the live version is left", func() bool { return versions() == 1 })
	eventually(t, "the old changes are gone", func() bool {
		_, err := w.store.Changes(t.Context(), ns, kv.ChangeQuery{Limit: 10})
		return errors.Is(err, kv.ErrPositionExpired)
	})
	if got := w.value(t, "k"); got != "3" {
		t.Errorf("the live value is %q", got)
	}
}

// maintainer notes when it is called and answers by functions.
type maintainer struct {
	mu      sync.Mutex
	swept   []time.Time
	sweep   func(n int) (int, error) // n counts the calls from 1
	compact func() (int, error)
}

func (m *maintainer) Sweep(_ context.Context, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.swept = append(m.swept, time.Now())
	if limit <= 0 {
		return 0, errors.New("the limit is not positive")
	}
	n, err := m.sweep(len(m.swept))
	return min(n, limit), err
}

func (m *maintainer) Compact(context.Context, int) (int, error) { return m.compact() }

// gaps gives the times between the sweeps, and between the start and the
// first.
func (m *maintainer) gaps(start time.Time) []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	var gaps []time.Duration
	for _, at := range m.swept {
		gaps = append(gaps, at.Sub(start))
		start = at
	}
	return gaps
}

// runUpkeep runs a worker with a maintainer for a time of the bubble.
func runUpkeep(t *testing.T, m *maintainer, d time.Duration) (*worker.Worker, time.Time) {
	t.Helper()
	if m.compact == nil {
		m.compact = func() (int, error) { return 0, nil }
	}
	wk, err := worker.New(worker.Options{Store: applyFunc{}, Maintainer: m, SweepInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := wk.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopWorker(t, wk) })
	time.Sleep(d) // the bubble's time
	synctest.Wait()
	return wk, start
}

func within(d, from, to time.Duration) bool { return d >= from && d <= to }

func TestUpkeepComesAtIntervalsWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maintainer{sweep: func(int) (int, error) { return 3, nil }}
		_, start := runUpkeep(t, m, time.Minute)
		gaps := m.gaps(start)
		if len(gaps) < 54 || len(gaps) > 67 {
			t.Errorf("%d sweeps in a minute at one a second", len(gaps))
		}
		different := make(map[time.Duration]bool)
		for _, gap := range gaps {
			different[gap] = true
			if !within(gap, 900*time.Millisecond, 1100*time.Millisecond) {
				t.Errorf("a sweep came after %v", gap)
			}
		}
		if len(different) < 10 {
			t.Error("the intervals have no jitter")
		}
	})
}

func TestAFullBatchIsFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maintainer{sweep: func(n int) (int, error) {
			if n <= 5 {
				return 1 << 20, nil // as much as the limit allows
			}
			return 1, nil
		}}
		_, start := runUpkeep(t, m, 2*time.Second)
		gaps := m.gaps(start)
		if len(gaps) < 6 || gaps[0] < 900*time.Millisecond {
			t.Fatalf("the sweeps came after %v", gaps)
		}
		for _, gap := range gaps[1:6] {
			if gap != 0 {
				t.Errorf("after a full batch the next one waited %v", gap)
			}
		}
	})
}

func TestUpkeepThatFailsComesLessOftenAndShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maintainer{sweep: func(n int) (int, error) {
			if n <= 4 {
				return 0, errors.New("the disk is gone")
			}
			return 0, nil
		}}
		wk, start := runUpkeep(t, m, 5*time.Second)
		if err := wk.Check(t.Context()); err == nil || err.Error() != "sweep: the disk is gone" {
			t.Errorf("the health check says %v", err)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if err := wk.Check(t.Context()); err == nil {
			t.Error("the health check is content before a sweep has succeeded")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		gaps := m.gaps(start)
		for i, seconds := range []int{1, 2, 4, 8, 16, 1} {
			if want := time.Duration(seconds) * time.Second; i >= len(gaps) || !within(gaps[i], want-want/10, want+want/10) {
				t.Fatalf("the sweeps came after %v, want doubled times until one succeeds", gaps)
			}
		}
		if err := wk.Check(t.Context()); err != nil {
			t.Errorf("after a success the health check says %v", err)
		}
	})
}

// Stop does not wait for the next interval.
func TestUpkeepStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &maintainer{sweep: func(int) (int, error) { return 0, nil }}
		wk, _ := runUpkeep(t, m, 500*time.Millisecond)
		before := time.Now()
		stopWorker(t, wk)
		if took := time.Since(before); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}
