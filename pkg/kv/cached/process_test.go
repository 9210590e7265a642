package cached_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

// withProcessCache is a store whose process keeps entries of its own.
func withProcessCache(t *testing.T) *bench {
	t.Helper()
	return newBench(t, cached.Options{ProcessBytes: 1 << 20})
}

func within(age time.Duration) kv.ReadOptions {
	return kv.ReadOptions{Consistency: kv.Local, MaxAge: age}
}

// answers reads the key and holds version, source and age.
func (b *bench) answers(opts kv.ReadOptions, want kv.Version, source kv.Source, age time.Duration) {
	b.t.Helper()
	e, err := b.get(opts)
	if err != nil || e.Version != want || e.Source != source || e.Age != age || string(e.Value) != fmt.Sprintf("value %d", want) {
		b.t.Fatalf("read version %d from %q, aged %s, %v; want %d from %q, aged %s", e.Version, e.Source, e.Age, err, want, source, age)
	}
}

func TestMaxAgeIsCountedFromWhenTheValueWasLastKnownToBeCurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withProcessCache(t)
		b.db.set("k", 1)
		b.db.onGet = func(_ context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
			e, err := read()
			time.Sleep(2 * time.Second) // the answer is on its way
			return e, err
		}
		b.answers(within(5*time.Second), 1, kv.SourceDatabase, 0)
		b.db.set("k", 2) // by another process
		b.memory.Forget(key("k"))
		b.answers(within(5*time.Second), 1, kv.SourceProcess, 2*time.Second)
		time.Sleep(3 * time.Second)
		b.answers(within(5*time.Second), 1, kv.SourceProcess, 5*time.Second)
		b.answers(within(time.Second), 2, kv.SourceDatabase, 0)
		b.answers(within(5*time.Second), 2, kv.SourceProcess, 2*time.Second)
	})
}

func TestOnlyReadsThatAllowItAreAnsweredByTheProcess(t *testing.T) {
	t.Parallel()
	b := withProcessCache(t)
	b.db.set("k", 1)
	if _, err := b.get(within(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		opts kv.ReadOptions
		want kv.Source
	}{
		{kv.ReadOptions{}, kv.SourceCache},
		{kv.ReadOptions{Consistency: kv.Strong}, kv.SourceDatabase},
		{within(time.Hour), kv.SourceProcess},
	} {
		if e, err := b.get(tt.opts); err != nil || e.Source != tt.want {
			t.Errorf("%+v: from %q, %v; want %q", tt.opts, e.Source, err, tt.want)
		}
	}
}

func TestMinVersionHoldsForTheProcessToo(t *testing.T) {
	t.Parallel()
	b := withProcessCache(t)
	b.db.set("k", 1)
	if _, err := b.get(within(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.db.set("k", 2) // by another process
	b.memory.Forget(key("k"))
	opts := within(time.Hour)
	opts.MinVersion = 2
	b.answers(opts, 2, kv.SourceDatabase, 0)
	if e, err := b.get(opts); err != nil || e.Version != 2 || e.Source != kv.SourceProcess {
		t.Errorf("read version %d from %q, %v", e.Version, e.Source, err)
	}
}

func TestAProcessSeesItsOwnWritesWhateverAgeIsAllowed(t *testing.T) {
	t.Parallel()
	b := withProcessCache(t)
	for range 3 {
		v := b.mustPut()
		for _, source := range []kv.Source{kv.SourceCache, kv.SourceProcess} {
			if e, err := b.get(within(time.Hour)); err != nil || e.Version != v || e.Source != source {
				t.Fatalf("read version %d from %q, %v; want %d from %q", e.Version, e.Source, err, v, source)
			}
		}
	}
}

func TestTheProcessHidesAnInsertForAMomentOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withProcessCache(t)
		for range 2 {
			_, err := b.get(within(time.Hour))
			b.wantCode(err, kv.CodeNotFound)
		}
		b.db.set("k", 1) // by another process
		b.memory.Forget(key("k"))
		_, err := b.get(within(time.Hour))
		b.wantCode(err, kv.CodeNotFound)
		time.Sleep(time.Second + 1)
		b.answers(within(time.Hour), 1, kv.SourceDatabase, 0)
	})
}

func TestTheProcessKeepsNothingBeyondItsTimeToLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := withProcessCache(t)
		expires := time.Now().Add(10 * time.Second)
		b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) {
			left := time.Until(expires)
			if left <= 0 {
				return kv.Entry{Key: "k"}, kv.ErrNotFound
			}
			e := stored("k", 1)
			e.ExpiresAt, e.TTLLeft = expires, left
			return e, nil
		}
		b.answers(within(time.Hour), 1, kv.SourceDatabase, 0)
		time.Sleep(10*time.Second - 1)
		if e, err := b.get(within(time.Hour)); err != nil || e.Source != kv.SourceProcess || e.TTLLeft != 1 {
			t.Fatalf("read %+v, %v", e, err)
		}
		time.Sleep(time.Nanosecond)
		_, err := b.get(within(time.Hour))
		b.wantCode(err, kv.CodeNotFound)
	})
}

func TestAnErrorIsNotKeptByTheProcess(t *testing.T) {
	t.Parallel()
	b := withProcessCache(t)
	b.db.set("k", 1)
	b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) {
		return kv.Entry{}, kv.Errorf(kv.CodeUnavailable, "down")
	}
	_, err := b.get(within(time.Hour))
	b.wantCode(err, kv.CodeUnavailable)
	b.db.onGet = nil
	b.answers(within(time.Hour), 1, kv.SourceDatabase, 0)
}

func TestTheProcessCacheIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	const budget = 256 << 10
	r := prometheus.NewRegistry()
	b := newBench(t, cached.Options{ProcessBytes: budget, Metrics: r})
	b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) {
		e := stored("k", 1)
		e.Value = make([]byte, 4000)
		return e, nil
	}
	for i := range 500 {
		if _, err := b.Get(t.Context(), ns, fmt.Sprint(i), within(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	b.CleanUp()
	if n := gauge(t, r, "trivet_cache_process_bytes"); n > budget || n < budget/2 {
		t.Errorf("%v bytes are kept within a budget of %d", n, budget)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
}

func gauge(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestBudgetOfAnAnswerOfTheProcess(t *testing.T) {
	b := withProcessCache(t)
	b.mustPut()
	ctx := t.Context()
	if _, err := b.Get(ctx, ns, "k", within(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if e, err := b.Get(ctx, ns, "k", within(time.Hour)); err != nil || e.Source != kv.SourceProcess {
			t.Fatalf("read %+v, %v", e, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestALostCacheLetsFewReadsAtTheDatabaseAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{DirectReads: 2, DirectWait: time.Second})
		b.cache.fail["read"] = errors.New("gone")
		at, most := 0, 0
		b.db.onGet = func(_ context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
			b.db.mu.Lock()
			at++
			most = max(most, at)
			b.db.mu.Unlock()
			time.Sleep(400 * time.Millisecond)
			b.db.mu.Lock()
			at--
			b.db.mu.Unlock()
			return read()
		}
		codes := make(chan kv.Code, 10)
		for i := range 10 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := b.Get(ctx, ns, fmt.Sprint("key ", i), kv.ReadOptions{})
				codes <- kv.CodeOf(err)
			}()
		}
		got := map[kv.Code]int{}
		for range 10 {
			got[<-codes]++
		}
		// Two each at 0, 400 and 800 ms; the others have waited for a second then.
		if most != 2 || got[kv.CodeNotFound] != 6 || got[kv.CodeOverloaded] != 4 {
			t.Errorf("%d at a time, answers %v", most, got)
		}
	})
}

func TestAReadThatWaitsForTheDatabaseHeedsItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{DirectReads: 1})
		b.cache.fail["read"] = errors.New("gone")
		release := make(chan struct{})
		b.db.onGet = func(_ context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
			<-release
			return read()
		}
		go func() { _, _ = b.Get(t.Context(), ns, "first", kv.ReadOptions{}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := b.Get(ctx, ns, "second", kv.ReadOptions{})
		b.wantCode(err, kv.CodeTimeout)
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		close(release)
		synctest.Wait()
	})
}

func TestAHotKeyIsReadOnceAtATimeWhileTheCacheIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 1)
		b.cache.fail["read"] = errors.New("gone")
		b.db.onGet = func(_ context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
			time.Sleep(10 * time.Millisecond)
			return read()
		}
		done := make(chan error, 1000)
		for range 1000 {
			go func() {
				_, err := b.get(kv.ReadOptions{})
				done <- err
			}()
		}
		for range 1000 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := b.db.readCount(); n > 2 {
			t.Errorf("%d reads of the database for a stampede of 1000", n)
		}
	})
}

func BenchmarkProcessHit(b *testing.B) {
	bench := withProcessCache(&testing.T{})
	ctx := b.Context()
	if _, err := bench.Apply(ctx, ns, put("k"), kv.Identity{}); err != nil {
		b.Fatal(err)
	}
	if _, err := bench.Get(ctx, ns, "k", within(time.Hour)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bench.Get(ctx, ns, "k", within(time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
}
