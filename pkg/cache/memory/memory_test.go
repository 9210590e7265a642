package memory_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/cachetest"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/kv"
)

// clock stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestCache(t *testing.T) {
	t.Parallel()
	cachetest.Exercise(t, func(t *testing.T) cachetest.Harness {
		at := &clock{now: time.Unix(1e9, 0)}
		c := newCache(t, memory.Options{MaxBytes: 16 << 20, Now: at.Now})
		return cachetest.Harness{
			Cache: c, Advance: at.Advance, Forget: c.Forget,
			AbsentTTL: memory.DefaultAbsentTTL, LeaseTTL: memory.DefaultLeaseTTL, Largest: 1 << 20,
		}
	})
}

func newCache(t testing.TB, opts memory.Options) *memory.Cache {
	t.Helper()
	c, err := memory.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// insert makes a write of a key as its only writer.
func insert(t testing.TB, c *memory.Cache, key string, value []byte) {
	t.Helper()
	k := cache.Key{Namespace: "space", Key: key}
	e := kv.Entry{Key: key, Version: 1, Value: value, Size: int64(len(value))}
	if err := c.Begin(t.Context(), []cache.Key{k}, 1, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(t.Context(), []cache.Finished{{Key: k, Version: 1, Entry: &e}}, 1); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, c *memory.Cache, key string) cache.Lookup {
	t.Helper()
	found, err := c.Read(t.Context(), cache.Key{Namespace: "space", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	r := prometheus.NewRegistry()
	c := newCache(t, memory.Options{MaxBytes: budget, Metrics: r})
	for i := range 5000 {
		insert(t, c, fmt.Sprint(i), make([]byte, 1000))
	}
	c.CleanUp()
	if n := c.Bytes(); n > budget || n < budget/2 {
		t.Errorf("%d bytes are kept within a budget of %d", n, budget)
	}
	kept := 0
	for i := range 5000 {
		if read(t, c, fmt.Sprint(i)).Found {
			kept++
		}
	}
	if kept == 0 || kept > budget/1000 {
		t.Errorf("%d entries of 1000 bytes are kept within %d bytes", kept, budget)
	}
	if n := counter(t, r, "trivet_cache_memory_evictions_total"); n < 3000 {
		t.Errorf("%v evictions were counted", n)
	}
}

func TestLeasesAndMarksAreWithinTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	c := newCache(t, memory.Options{MaxBytes: budget})
	for i := range 10_000 {
		read(t, c, fmt.Sprint("leased ", i))
		k := cache.Key{Namespace: "space", Key: fmt.Sprint("marked ", i)}
		if err := c.Begin(t.Context(), []cache.Key{k}, cache.Mark(i+1), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	c.CleanUp()
	if n := c.Bytes(); n > budget {
		t.Errorf("%d bytes are kept within a budget of %d", n, budget)
	}
}

func TestFinishedWritesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	c := newCache(t, memory.Options{})
	for i := range 1000 {
		k := cache.Key{Namespace: "space", Key: fmt.Sprint(i)}
		if err := c.Begin(t.Context(), []cache.Key{k}, 1, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := c.Finish(t.Context(), []cache.Finished{{Key: k, Version: 1}}, 1); err != nil {
			t.Fatal(err)
		}
	}
	c.CleanUp()
	if n := c.Bytes(); n != 0 {
		t.Errorf("%d bytes are kept of deleted keys", n)
	}
}

func TestMetricsAreInOrder(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	newCache(t, memory.Options{Metrics: r})
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	if _, err := memory.New(memory.Options{Metrics: r}); err == nil {
		t.Error("two caches have the same metrics")
	}
}

func TestBudgetOfAReadOfAPresentEntry(t *testing.T) {
	c := newCache(t, memory.Options{})
	insert(t, c, "k", make([]byte, 100))
	key := cache.Key{Namespace: "space", Key: "k"}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if found, _ := c.Read(ctx, key); !found.Found {
			t.Fatal("not found")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func counter(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func BenchmarkRead(b *testing.B) {
	c := newCache(b, memory.Options{})
	insert(b, c, "k", make([]byte, 100))
	key := cache.Key{Namespace: "space", Key: "k"}
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if found, _ := c.Read(ctx, key); !found.Found {
				b.Error("not found")
				return
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	c := newCache(b, memory.Options{})
	value := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		insert(b, c, "k", value)
	}
}
