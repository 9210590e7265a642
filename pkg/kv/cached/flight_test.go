package cached_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

// held makes every read of the database wait until it is let go, and gives the
// number of reads that were begun.
func held(b *bench) (letGo func(), begun *atomic.Int64) {
	gate := make(chan struct{})
	begun = new(atomic.Int64)
	b.db.onGet = func(ctx context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
		begun.Add(1)
		e, err := read()
		select {
		case <-gate:
			return e, err
		case <-ctx.Done():
			return kv.Entry{}, ctx.Err()
		}
	}
	return func() { close(gate) }, begun
}

// reading is a read under way.
type reading struct {
	cancel context.CancelFunc
	done   chan struct{}
	entry  kv.Entry
	err    error
}

func (b *bench) start() *reading {
	r := &reading{done: make(chan struct{})}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(b.t.Context())
	go func() {
		defer close(r.done)
		r.entry, r.err = b.Get(ctx, ns, "k", kv.ReadOptions{})
	}()
	synctest.Wait()
	return r
}

func (r *reading) wait() (kv.Version, error) {
	<-r.done
	r.cancel()
	return r.entry.Version, r.err
}

func TestStampede(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		letGo, begun := held(b)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if e, err := b.get(kv.ReadOptions{}); err != nil || e.Version != 7 {
					t.Errorf("read version %d, %v", e.Version, err)
				}
			})
		}
		synctest.Wait()
		letGo()
		wg.Wait()
		if n := begun.Load(); n != 1 {
			t.Errorf("%d reads of the database for 200 concurrent misses", n)
		}
		b.sees(7, kv.SourceCache)
	})
}

func TestStampedeWhileAWriteIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		gate := make(chan struct{})
		b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
			<-gate
			return write()
		}
		go func() { _, _ = b.put() }()
		synctest.Wait()
		letGo, begun := held(b)
		readings := make([]*reading, 100)
		for i := range readings {
			readings[i] = b.start()
		}
		letGo()
		for _, r := range readings {
			if v, err := r.wait(); err != nil || v != 7 {
				t.Fatalf("read version %d, %v", v, err)
			}
		}
		// One read that nobody could join any longer, and one for all others.
		if n := begun.Load(); n != 2 {
			t.Errorf("%d reads of the database for 100 readers", n)
		}
		close(gate)
	})
}

func TestAReaderJoinsNoFlightThatBeganBeforeAnAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"": false, ", though the cache forgets": true} {
		t.Run("under a lease"+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, cached.Options{})
				b.db.set("k", 1)
				letGo, _ := held(b)
				early := b.start() // has read version 1
				v := b.mustPut()   // acknowledged
				if forget {
					b.memory.Forget(key("k"))
				}
				late := b.start()
				letGo()
				if got, err := early.wait(); err != nil || got != 1 {
					t.Errorf("the early reader read version %d, %v", got, err)
				}
				if got, err := late.wait(); err != nil || got != v {
					t.Errorf("the late reader read version %d, %v; acknowledged %d", got, err, v)
				}
			})
		})
	}
	t.Run("without a lease", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, cached.Options{})
			b.db.set("k", 1)
			unknown := errors.New("connection reset")
			b.db.onApply = func(_ context.Context, _ func() (kv.Result, error)) (kv.Result, error) { return kv.Result{}, unknown }
			if _, err := b.put(); !errors.Is(err, unknown) { // its mark stands
				t.Fatal(err)
			}
			b.db.onApply = nil
			letGo, _ := held(b)
			early := b.start() // has read version 1
			v := b.mustPut()   // acknowledged
			late := b.start()
			letGo()
			if got, err := early.wait(); err != nil || got != 1 {
				t.Errorf("the early reader read version %d, %v", got, err)
			}
			if got, err := late.wait(); err != nil || got != v {
				t.Errorf("the late reader read version %d, %v; acknowledged %d", got, err, v)
			}
		})
	})
}

func TestACancelledLeaderFailsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		letGo, begun := held(b)
		leader := b.start()
		follower := b.start()
		leader.cancel()
		if _, err := leader.wait(); kv.CodeOf(err) != kv.CodeUnavailable {
			t.Errorf("the leader answered %v", err)
		}
		letGo()
		if v, err := follower.wait(); err != nil || v != 7 {
			t.Errorf("the follower read version %d, %v", v, err)
		}
		if n := begun.Load(); n != 1 {
			t.Errorf("%d reads of the database", n)
		}
	})
}

func TestTheLastWhoLeavesCancelsTheRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		ended := make(chan error, 1)
		b.db.onGet = func(ctx context.Context, _ func() (kv.Entry, error)) (kv.Entry, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return kv.Entry{}, ctx.Err()
		}
		first, second := b.start(), b.start()
		first.cancel()
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatal("the read was cancelled while somebody waits for it")
		}
		second.cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the read ended with %v", err)
		}
		_, _ = first.wait()
		_, _ = second.wait()
	})
}

func TestACancelledReadDoesNotLeakIntoLaterReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		stuck := make(chan struct{})
		b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) {
			<-stuck // a database that does not notice the cancellation
			return kv.Entry{}, context.Canceled
		}
		first := b.start()
		first.cancel()
		_, _ = first.wait()
		b.db.onGet = nil
		b.sees(7, kv.SourceDatabase)
		b.sees(7, kv.SourceCache)
		close(stuck)
	})
}

func TestAnAbandonedReadHoldsUpNoLaterReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		gate := make(chan struct{})
		b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
			<-gate
			return write()
		}
		go func() { _, _ = b.put() }() // from here on there is no lease
		synctest.Wait()
		b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) {
			<-gate
			return kv.Entry{}, context.Canceled
		}
		first := b.start()
		b.db.onGet = nil
		second := b.start() // waits for the first
		first.cancel()
		if v, err := second.wait(); err != nil || v != 7 {
			t.Errorf("read version %d, %v", v, err)
		}
		_, _ = first.wait()
		close(gate)
	})
}

func TestAWaitingReadThatIsAbandonedIsNotMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		gate := make(chan struct{})
		b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
			<-gate
			return write()
		}
		go func() { _, _ = b.put() }()
		synctest.Wait()
		letGo, begun := held(b)
		first, second := b.start(), b.start()
		second.cancel()
		if _, err := second.wait(); kv.CodeOf(err) != kv.CodeUnavailable {
			t.Errorf("answered %v", err)
		}
		letGo()
		if v, err := first.wait(); err != nil || v != 7 {
			t.Errorf("read version %d, %v", v, err)
		}
		synctest.Wait()
		if n := begun.Load(); n != 1 {
			t.Errorf("%d reads of the database", n)
		}
		close(gate)
	})
}

func TestEverybodyGetsTheErrorOfASharedRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		gate := make(chan struct{})
		b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) {
			<-gate
			return kv.Entry{}, kv.Errorf(kv.CodeUnavailable, "down")
		}
		readings := []*reading{b.start(), b.start(), b.start()}
		close(gate)
		for i, r := range readings {
			if _, err := r.wait(); kv.CodeOf(err) != kv.CodeUnavailable {
				t.Errorf("reader %d: %v", i, err)
			}
		}
	})
}

func TestASharedReadHasADeadlineOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{ReadTimeout: 3 * time.Second})
		held(b)
		began := time.Now()
		_, err := b.get(kv.ReadOptions{})
		if kv.CodeOf(err) != kv.CodeTimeout || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestADeadlineIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		letGo, _ := held(b)
		patient := b.start()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Get(ctx, ns, "k", kv.ReadOptions{}); kv.CodeOf(err) != kv.CodeTimeout {
			t.Errorf("answered %v", err)
		}
		letGo()
		if v, err := patient.wait(); err != nil || v != 7 {
			t.Errorf("read version %d, %v", v, err)
		}
	})
}

func TestACallerThatHasGoneStartsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Get(ctx, ns, "k", kv.ReadOptions{})
	b.wantCode(err, kv.CodeUnavailable)
	if n := b.db.readCount(); n != 0 {
		t.Errorf("%d reads of the database", n)
	}
}

func TestAPanicIsAnErrorOfItsReaders(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", 7)
	b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) { panic("a bug") }
	_, err := b.get(kv.ReadOptions{})
	b.wantCode(err, kv.CodeInternal)
	b.db.onGet = nil
	b.sees(7, kv.SourceDatabase)
}

func TestKeysHaveFlightsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		for i := range 10 {
			b.db.set(fmt.Sprint(i), kv.Version(i+1))
		}
		letGo, begun := held(b)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				e, err := b.Get(t.Context(), ns, fmt.Sprint(i), kv.ReadOptions{})
				if err != nil || e.Version != kv.Version(i+1) {
					t.Errorf("key %d: version %d, %v", i, e.Version, err)
				}
			})
		}
		synctest.Wait()
		letGo()
		wg.Wait()
		if n := begun.Load(); n != 10 {
			t.Errorf("%d reads of the database", n)
		}
	})
}
