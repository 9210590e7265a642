package cached_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

func TestSharedReadsAreAnsweredByTheCache(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", 7)
	b.sees(7, kv.SourceDatabase)
	for range 3 {
		b.sees(7, kv.SourceCache)
	}
	e, err := b.get(kv.ReadOptions{Consistency: kv.Local, MaxAge: time.Second})
	if err != nil || e.Source != kv.SourceCache || e.Age != 0 {
		t.Fatalf("a local read answered %+v, %v", e, err)
	}
	if n := b.db.readCount(); n != 1 {
		t.Fatalf("%d reads of the database", n)
	}
}

func TestStrongReadsAskTheDatabase(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", 7)
	b.sees(7, kv.SourceDatabase)
	b.db.set("k", 8) // by nobody who goes through the protocol
	e, err := b.get(kv.ReadOptions{Consistency: kv.Strong})
	if err != nil || e.Version != 8 || e.Source != kv.SourceDatabase {
		t.Fatalf("a strong read answered %+v, %v", e, err)
	}
	b.sees(7, kv.SourceCache)
}

func TestMinVersionIsFinalFromTheDatabaseOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", 7)
	b.sees(7, kv.SourceDatabase)
	b.db.set("k", 9)
	for _, tt := range []struct {
		least, want kv.Version
		source      kv.Source
	}{
		{0, 7, kv.SourceCache},
		{7, 7, kv.SourceCache},
		{8, 9, kv.SourceDatabase},
		{20, 9, kv.SourceDatabase},
	} {
		e, err := b.get(kv.ReadOptions{MinVersion: tt.least})
		if err != nil || e.Version != tt.want || e.Source != tt.source {
			t.Errorf("at least %d: version %d from %q, %v", tt.least, e.Version, e.Source, err)
		}
	}
}

func TestMinVersionIsNotMetByACachedAbsence(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	b.db.set("k", -3)
	_, err := b.get(kv.ReadOptions{})
	b.wantCode(err, kv.CodeNotFound)
	b.db.set("k", 5)
	if e, err := b.get(kv.ReadOptions{MinVersion: 5}); err != nil || e.Version != 5 {
		t.Fatalf("read %+v, %v", e, err)
	}
	if e, err := b.get(kv.ReadOptions{MinVersion: 3}); !errors.Is(err, kv.ErrNotFound) || e.Version != 3 {
		t.Fatalf("read %+v, %v", e, err)
	}
}

func TestAbsentKeysAreRememberedShortly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", -3)
		for _, source := range []kv.Source{kv.SourceDatabase, kv.SourceCache} {
			e, err := b.get(kv.ReadOptions{})
			if !errors.Is(err, kv.ErrNotFound) || e.Version != 3 || e.Key != "k" || e.Source != source {
				t.Fatalf("read %+v, %v; want it from %q", e, err, source)
			}
		}
		time.Sleep(2 * time.Second)
		if _, err := b.get(kv.ReadOptions{}); !errors.Is(err, kv.ErrNotFound) || b.db.readCount() != 2 {
			t.Fatalf("%v after %d reads of the database", err, b.db.readCount())
		}
	})
}

func TestNegativeCachingNeverHidesAnInsert(t *testing.T) {
	t.Parallel()
	b := newBench(t, cached.Options{})
	for range 2 {
		_, err := b.get(kv.ReadOptions{})
		b.wantCode(err, kv.CodeNotFound)
	}
	v := b.mustPut()
	b.sees(v, kv.SourceCache)
}

func TestErrorsAreNeverCached(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{
		kv.Errorf(kv.CodeUnavailable, "down"), kv.Errorf(kv.CodeInternal, "broken"), errors.New("no code"), context.DeadlineExceeded,
	} {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		b.db.onGet = func(context.Context, func() (kv.Entry, error)) (kv.Entry, error) { return kv.Entry{}, failure }
		for range 2 {
			if _, err := b.get(kv.ReadOptions{}); !errors.Is(err, failure) {
				t.Fatalf("read answered %v, want %v", err, failure)
			}
		}
		b.db.onGet = nil
		b.sees(7, kv.SourceDatabase)
		b.sees(7, kv.SourceCache) // a reader who failed does not keep others from filling
	}
}

func TestStaleSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		b.db.set("k", 1)
		goOn := make(chan struct{})
		b.db.onGet = func(_ context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
			e, err := read()
			<-goOn
			return e, err
		}
		slow := make(chan kv.Version)
		go func() {
			e, _ := b.get(kv.ReadOptions{})
			slow <- e.Version
		}()
		synctest.Wait() // the slow reader has read version 1
		v := b.mustPut()
		close(goOn)
		if got := <-slow; got != 1 {
			t.Fatalf("the slow reader read version %d", got)
		}
		b.sees(v, kv.SourceCache)
	})
}

func TestTimeToLiveIsCountedFromBeforeTheRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cached.Options{})
		expires := time.Now().Add(time.Minute)
		b.db.onGet = func(_ context.Context, _ func() (kv.Entry, error)) (kv.Entry, error) {
			e := stored("k", 1)
			e.ExpiresAt, e.TTLLeft = expires, time.Until(expires)
			time.Sleep(5 * time.Second) // the answer is on its way
			return e, nil
		}
		b.sees(1, kv.SourceDatabase)
		e, err := b.get(kv.ReadOptions{})
		if err != nil || e.Source != kv.SourceCache || e.TTLLeft != 55*time.Second {
			t.Fatalf("%s left, from %q, %v", e.TTLLeft, e.Source, err)
		}
		time.Sleep(55 * time.Second)
		b.sees(1, kv.SourceDatabase)
	})
}

func TestACacheThatFailsCostsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"read", "fill"} {
		b := newBench(t, cached.Options{})
		b.db.set("k", 7)
		b.cache.fail[step] = errors.New("gone")
		for range 2 {
			b.sees(7, kv.SourceDatabase)
		}
	}
}

func TestBudgetOfAHit(t *testing.T) {
	b := newBench(t, cached.Options{})
	store := cached.New(b.db, b.memory, cached.Options{})
	if _, err := store.Apply(t.Context(), ns, kv.Operation{Kind: kv.KindPut, Key: "k"}, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if e, err := store.Get(ctx, ns, "k", kv.ReadOptions{}); err != nil || e.Source != kv.SourceCache {
			t.Fatalf("read %+v, %v", e, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHit(b *testing.B) {
	bench := newBench(&testing.T{}, cached.Options{})
	store := cached.New(bench.db, bench.memory, cached.Options{})
	ctx := b.Context()
	if _, err := store.Apply(ctx, ns, kv.Operation{Kind: kv.KindPut, Key: "k"}, kv.Identity{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Get(ctx, ns, "k", kv.ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
