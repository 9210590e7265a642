package epoch_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

var _ lifecycle.Service = (*epoch.Keeper)(nil)

// primary is a cache whose state a test chooses; "" is out of reach.
type primary struct {
	mu    sync.Mutex
	state string
}

func (p *primary) Probe(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == "" {
		return "", errors.New("out of reach")
	}
	return p.state, nil
}

func (p *primary) become(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
}

// database is a store that a test can cut off and slow down.
type database struct {
	epoch.Store

	mu     sync.Mutex
	down   bool
	takes  time.Duration
	raises int
}

func newDatabase() *database { return &database{Store: epoch.NewLocal(nil)} }

func (d *database) set(down bool, takes time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down, d.takes = down, takes
}

func (d *database) call(ctx context.Context) error {
	d.mu.Lock()
	down, takes := d.down, d.takes
	d.mu.Unlock()
	if down {
		return errors.New("the database is down")
	}
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *database) PollEpoch(ctx context.Context, process string, reaches bool) (epoch.Epoch, error) {
	if err := d.call(ctx); err != nil {
		return epoch.Epoch{}, err
	}
	return d.Store.PollEpoch(ctx, process, reaches)
}

func (d *database) RaiseEpoch(ctx context.Context, from int64, state string) (epoch.Epoch, error) {
	if err := d.call(ctx); err != nil {
		return epoch.Epoch{}, err
	}
	d.mu.Lock()
	d.raises++
	d.mu.Unlock()
	return d.Store.RaiseEpoch(ctx, from, state)
}

func (d *database) raised() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.raises
}

func newKeeper(t *testing.T, store epoch.Store, p epoch.Primary) *epoch.Keeper {
	t.Helper()
	k, err := epoch.NewKeeper(store, p, epoch.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return k
}

func readable(k *epoch.Keeper) bool {
	_, _, ok := k.Readable()
	return ok
}

// writable gives the epoch of writes, 0 for none.
func writable(k *epoch.Keeper) int64 {
	number, _, _ := k.Writable()
	return number
}

func TestAYoungEpochIsWrittenAndNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t, newDatabase(), &primary{state: "a"})
		if number, state, ok := k.Writable(); !ok || number == 0 || state != "a" {
			t.Fatalf("writes: %d, %q, %v", number, state, ok)
		}
		if readable(k) {
			t.Fatal("it is read at once, while others may use the former one")
		}
		time.Sleep(epoch.DefaultBound - time.Millisecond)
		if readable(k) {
			t.Fatal("it is read before the others have left the former one")
		}
		time.Sleep(time.Millisecond)
		if !readable(k) {
			t.Fatal("it is not read though all have left the former one")
		}
	})
}

func TestTheCacheIsNotUsedWhileTheEpochIsNotKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		k := newKeeper(t, db, &primary{state: "a"})
		time.Sleep(10*time.Second + time.Millisecond)
		db.set(true, 0)
		time.Sleep(epoch.DefaultBound - 10*time.Millisecond)
		if !readable(k) {
			t.Fatal("one poll that failed takes the cache away")
		}
		time.Sleep(10 * time.Millisecond)
		if readable(k) || writable(k) != 0 {
			t.Fatal("it is used on what was known a whole bound ago")
		}
		db.set(false, 0)
		time.Sleep(time.Second)
		if !readable(k) {
			t.Fatal("it is not used again")
		}
	})
}

func TestAWriteLearnsTheEpochRatherThanRaisesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		k := newKeeper(t, db, &primary{state: "a"})
		time.Sleep(10*time.Second + time.Millisecond)
		before, raised := writable(k), db.raised()
		db.set(true, 0)
		time.Sleep(epoch.DefaultBound + 500*time.Millisecond)
		if writable(k) != 0 {
			t.Fatal("the epoch is known without the database")
		}
		if err := k.Refresh(t.Context()); err == nil || writable(k) != 0 {
			t.Fatalf("it was learned without the database: %v", err)
		}
		db.set(false, 0)
		if err := k.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if writable(k) != before || !readable(k) || db.raised() != raised {
			t.Errorf("epoch %d became %d after %d raises", before, writable(k), db.raised()-raised)
		}
	})
}

// TestAProcessLeavesAFormerEpochBeforeTheNextIsRead is the rule on which the
// bound stands, with one process that polls late and one that polls on time.
func TestAProcessLeavesAFormerEpochBeforeTheNextIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newDatabase()
		late := &database{Store: shared.Store}
		a, b := newKeeper(t, shared, &primary{state: "a"}), newKeeper(t, late, &primary{state: "a"})
		time.Sleep(10*time.Second + 300*time.Millisecond)
		if !readable(a) || !readable(b) || writable(a) != writable(b) {
			t.Fatal("they do not use the same epoch")
		}
		former := writable(b)
		late.set(true, 0)
		if err := a.Cover(t.Context(), errors.New("a write was lost")); err != nil {
			t.Fatal(err)
		}
		for range 6000 {
			time.Sleep(time.Millisecond)
			if readable(a) && readable(b) && writable(b) == former {
				t.Fatal("one reads the former epoch, the other the next")
			}
		}
		if !readable(a) || readable(b) {
			t.Errorf("in the end: %v, %v", readable(a), readable(b))
		}
	})
}

func TestOneRaiseCoversAllWritesOfASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		db.set(false, 5*time.Millisecond)
		k := newKeeper(t, db, &primary{state: "a"})
		time.Sleep(10 * time.Second)
		before, since := writable(k), db.raised()
		for range 30 { // 3 s of writes
			var writes sync.WaitGroup
			for range 20 {
				writes.Go(func() {
					if err := k.Cover(t.Context(), errors.New("lost")); err != nil {
						t.Error(err)
					}
					if readable(k) {
						t.Error("acknowledged under an epoch that is read")
					}
				})
			}
			writes.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		if n := db.raised() - since; n < 3 || n > 5 {
			t.Errorf("raised %d times in 3 s", n)
		}
		if writable(k) == before {
			t.Error("the epoch is the former one")
		}
	})
}

func TestAWriteIsNotCoveredWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		k := newKeeper(t, db, &primary{state: "a"})
		time.Sleep(10 * time.Second)
		db.set(true, 0)
		if err := k.Cover(t.Context(), errors.New("lost")); err == nil {
			t.Error("covered by an epoch that could not be raised")
		}
		db.set(false, time.Hour) // it hangs
		start := time.Now()
		if err := k.Cover(t.Context(), errors.New("lost")); err == nil || time.Since(start) > 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestAnotherStateOfTheCacheIsAnotherEpoch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &primary{state: "a"}
		k := newKeeper(t, newDatabase(), p)
		time.Sleep(10 * time.Second)
		before := writable(k)
		p.become("b")
		k.Poke()
		synctest.Wait()
		if number, state, ok := k.Writable(); !ok || number <= before || state != "b" || readable(k) {
			t.Fatalf("%d after %d, for %q, %v; read: %v", number, before, state, ok, readable(k))
		}
		time.Sleep(epoch.DefaultBound)
		if !readable(k) {
			t.Error("the new state is not used")
		}
	})
}

func TestACacheFoundAgainAfterALossIsAnotherEpoch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &primary{state: "a"}
		db := newDatabase()
		k := newKeeper(t, db, p)
		time.Sleep(10*time.Second + time.Millisecond)
		before := writable(k)
		p.become("")
		time.Sleep(time.Second)
		p.become("a")
		time.Sleep(time.Second)
		if writable(k) != before {
			t.Error("a moment out of reach is taken for a loss")
		}
		p.become("")
		time.Sleep(5 * time.Second)
		p.become("a")
		db.set(true, 0) // the raise fails at first
		time.Sleep(time.Second)
		db.set(false, 0)
		time.Sleep(time.Second)
		if writable(k) == before {
			t.Error("the epoch is the former one")
		}
	})
}

func TestProcessesThatSeeDifferentPrimariesReadNeither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		a, b := newKeeper(t, db, &primary{state: "a"}), newKeeper(t, db, &primary{state: "b"})
		since := db.raised()
		for range 20_000 {
			time.Sleep(time.Millisecond)
			if readable(a) || readable(b) {
				t.Fatal("one of them is read")
			}
		}
		if n := db.raised() - since; n > 2*20+2 {
			t.Errorf("raised %d times in 20 s by two processes", n)
		}
	})
}

func TestAProcessIsCutOffWhenOthersAreNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		near, far := &primary{state: "a"}, &primary{state: "a"}
		k, other := newKeeper(t, db, far), newKeeper(t, db, near)
		time.Sleep(5*time.Second + time.Millisecond)
		far.become("")
		time.Sleep(9 * time.Second)
		if k.CutOff() {
			t.Fatal("cut off after 9 s")
		}
		time.Sleep(time.Second)
		if !k.CutOff() || other.CutOff() {
			t.Fatalf("after 10 s: %v, the other %v", k.CutOff(), other.CutOff())
		}
		near.become("") // now nobody reaches it
		time.Sleep(epoch.SeenWithin + 2*time.Second)
		if k.CutOff() {
			t.Error("cut off, and so are all others")
		}
		far.become("a")
		near.become("a")
		time.Sleep(2 * time.Second)
		if k.CutOff() || other.CutOff() {
			t.Error("cut off from a cache that answers")
		}
	})
}

func TestStopBeforeStartAndTwice(t *testing.T) {
	t.Parallel()
	k, err := epoch.NewKeeper(newDatabase(), &primary{}, epoch.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if k.CutOff() || readable(k) || writable(k) != 0 {
		t.Error("it knows something")
	}
}

func TestMetricsAreInOrder(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	opts := epoch.Options{Metrics: r, Logger: slog.New(slog.DiscardHandler)}
	if _, err := epoch.NewKeeper(newDatabase(), &primary{}, opts); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	if _, err := epoch.NewKeeper(newDatabase(), &primary{}, opts); err == nil {
		t.Error("two keepers have the same metrics")
	}
}

// steppedClock is a database whose clock says that every epoch was raised some
// time ago.
type steppedClock struct {
	epoch.Store
	age time.Duration
}

func (s steppedClock) PollEpoch(ctx context.Context, process string, reaches bool) (epoch.Epoch, error) {
	e, err := s.Store.PollEpoch(ctx, process, reaches)
	e.Age = s.age
	return e, err
}

func TestTheDatabasesClockIsNotTrusted(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{0, time.Hour} { // set back, and forward
		synctest.Test(t, func(t *testing.T) {
			db := newDatabase()
			k := newKeeper(t, steppedClock{db, age}, &primary{state: "a"})
			if readable(k) {
				t.Errorf("age %s: an epoch that was just met is read", age)
			}
			time.Sleep(10 * time.Second)
			before := db.raised()
			if err := k.Cover(t.Context(), errors.New("lost")); err != nil {
				t.Error(err)
			}
			if db.raised() != before+1 || readable(k) {
				t.Errorf("age %s: a write is covered by an epoch that is read", age)
			}
		})
	}
}
