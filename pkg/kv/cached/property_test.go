package cached_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

// TestNoReadIsOlderThanAnAcknowledgedWrite runs writers and readers over a
// database and a cache whose steps take random times, fail, and forget.
func TestNoReadIsOlderThanAnAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	for range 60 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { disturb(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func disturb(t *testing.T, seed uint64) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	pause := func() { time.Sleep(time.Duration(pick(20)) * time.Millisecond) }

	b := newBench(t, cached.Options{MarkTTL: 200 * time.Millisecond, ReadTimeout: 100 * time.Millisecond})
	b.db.onGet = func(_ context.Context, read func() (kv.Entry, error)) (kv.Entry, error) {
		pause()
		e, err := read()
		pause()
		if pick(15) == 0 {
			return kv.Entry{}, kv.Errorf(kv.CodeUnavailable, "read failed")
		}
		return e, err
	}
	b.db.onApply = func(_ context.Context, write func() (kv.Result, error)) (kv.Result, error) {
		pause()
		switch pick(12) {
		case 0:
			return kv.Result{}, kv.Errorf(kv.CodeUnavailable, "lost before the commit")
		case 1:
			_, _ = write()
			return kv.Result{}, kv.Errorf(kv.CodeUnavailable, "lost behind the commit")
		case 2:
			return kv.Result{}, kv.ErrVersionMismatch
		}
		res, err := write()
		pause()
		return res, err
	}
	b.cache.slow = func(string) { pause() }

	keys := []string{"a", "b"}
	var acknowledged [2]atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 15 {
				i := pick(2)
				op := put(keys[i])
				if pick(5) == 0 {
					op = del(keys[i])
				}
				res, err := b.Apply(t.Context(), ns, op, kv.Identity{})
				if err != nil {
					continue
				}
				for {
					known := acknowledged[i].Load()
					if known >= int64(res.Version) || acknowledged[i].CompareAndSwap(known, int64(res.Version)) {
						break
					}
				}
				pause()
			}
		})
	}
	for range 6 {
		wg.Go(func() {
			for range 40 {
				i := pick(2)
				least := kv.Version(acknowledged[i].Load())
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+pick(100))*time.Millisecond)
				e, err := b.Get(ctx, ns, keys[i], kv.ReadOptions{})
				cancel()
				if (err == nil || errors.Is(err, kv.ErrNotFound)) && e.Version < least {
					t.Errorf("read version %d of %q from %q, acknowledged %d", e.Version, keys[i], e.Source, least)
				}
				pause()
			}
		})
	}
	wg.Go(func() {
		for range 30 {
			pause()
			b.memory.Forget(key(keys[pick(2)]))
		}
	})
	wg.Wait()
	if t.Failed() {
		t.Log(fmt.Sprint(b.cache.took()))
	}
}
