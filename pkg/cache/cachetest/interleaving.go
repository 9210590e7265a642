package cachetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

var interleavingTests = []test{
	{"random interleavings, step by step", func(f *fixture) {
		for round := range 3000 {
			seed := rand.Uint64()
			if err := f.interleave(seed, round%2 == 0); err != nil {
				f.Fatalf("seed %d, forgetting %v: %v", seed, round%2 == 0, err)
			}
		}
	}},
	{"real concurrency", concurrent},
}

// world is the database's register, and what is known of it.
type world struct {
	version      kv.Version // committed
	acknowledged kv.Version
	shown        kv.Version // acknowledged, or answered to a finished read
	writing      int        // writes that have begun and may still commit or finish
}

// actor makes one step and tells whether it has more.
type actor func(w *world) (more bool, err error)

// interleave lets two writers and two readers make their steps on a fresh key
// in a random order. Reads have to be at least what was acknowledged before
// they began and, while nothing but the marks of dead writers is forgotten, at
// least what any finished read has answered.
func (f *fixture) interleave(seed uint64, forgetting bool) error {
	random := rand.New(rand.NewPCG(seed, seed))
	key := cache.Key{Namespace: "space", Key: fmt.Sprint(seed)}
	w := &world{version: 1, acknowledged: 1, shown: 1}
	ctx, ttl := f.Context(), f.LeaseTTL/8 // of a mark: leases outlive it
	actors := []actor{
		f.writer(ctx, key, ttl, random, 2), f.writer(ctx, key, ttl, random, 2),
		f.reader(ctx, key, random, 3, !forgetting), f.reader(ctx, key, random, 3, !forgetting),
	}
	for len(actors) > 0 {
		if forgetting && random.IntN(12) == 0 {
			f.Forget(key)
		}
		if w.writing == 0 && random.IntN(6) == 0 {
			f.Advance(ttl) // marks that stand are those of dead writers
		}
		i := random.IntN(len(actors))
		more, err := actors[i](w)
		if err != nil {
			return err
		}
		if !more {
			actors = append(actors[:i], actors[i+1:]...)
		}
	}
	return nil
}

// writer makes some writes: begin, commit, finish, acknowledge. Some fail
// before the commit, and some die behind it.
func (f *fixture) writer(ctx context.Context, key cache.Key, ttl time.Duration, random *rand.Rand, writes int) actor {
	var mark cache.Mark
	var version kv.Version
	step := 0
	return func(w *world) (bool, error) {
		step++
		switch step {
		case 1:
			mark = newMark()
			w.writing++
			return true, f.Cache.Begin(ctx, []cache.Key{key}, mark, ttl)
		case 2:
			if random.IntN(8) == 0 { // never committed, and never finished
				break
			}
			w.version++
			version = w.version
			return true, nil
		case 3:
			if random.IntN(8) == 0 { // committed, and never finished
				break
			}
			done := cache.Finished{Key: key, Version: version}
			if random.IntN(4) > 0 {
				e := entryAt(version)
				done.Entry = &e
			}
			return true, f.Cache.Finish(ctx, []cache.Finished{done}, mark)
		case 4:
			w.acknowledged = max(w.acknowledged, version)
			w.shown = max(w.shown, version)
		}
		step = 0
		w.writing--
		writes--
		return writes > 0, nil
	}
}

// reader makes some reads: of the cache, else of the database with a fill.
func (f *fixture) reader(ctx context.Context, key cache.Key, random *rand.Rand, reads int, atomic bool) actor {
	var least, got kv.Version
	var found cache.Lookup
	step := 0
	return func(w *world) (bool, error) {
		step++
		switch step {
		case 1:
			least = w.acknowledged
			if atomic {
				least = w.shown
			}
			var err error
			if random.IntN(5) == 0 { // a strong read
				found, got, step = cache.Lookup{}, w.version, 3
				return true, nil
			}
			found, err = f.Cache.Read(ctx, key)
			if found.Found {
				got, step = found.Entry.Version, 3
			}
			return true, err
		case 2:
			got = w.version
			return true, nil
		case 3:
			lease := max(found.Lease, found.Held) // whoever sees a lease stand may fill under it
			if lease == 0 || random.IntN(6) == 0 {
				return true, nil
			}
			_, err := f.Cache.Fill(ctx, key, lease, entryAt(got), false)
			return true, err
		}
		if got < least {
			return false, fmt.Errorf("read version %d, which has to be at least %d", got, least)
		}
		w.shown = max(w.shown, got)
		step = 0
		reads--
		return reads > 0, nil
	}
}

// concurrent runs writers and readers on goroutines of their own, while keys are
// forgotten and time passes.
func concurrent(f *fixture) {
	const rounds = 400
	ctx := f.Context()
	keys := []cache.Key{theKey, {Namespace: "space", Key: "other"}}
	type register struct {
		mu           sync.Mutex // of the database's row
		version      kv.Version
		acknowledged atomic.Int64
	}
	registers := make([]register, len(keys))
	var wg sync.WaitGroup
	for who := range 2 {
		wg.Go(func() { // a writer
			random := rand.New(rand.NewPCG(uint64(who), 1))
			for range rounds {
				i := random.IntN(len(keys))
				r, mark := &registers[i], newMark()
				if err := f.Cache.Begin(ctx, keys[i:i+1], mark, markTTL); err != nil {
					f.Errorf("begin: %v", err)
					return
				}
				r.mu.Lock()
				r.version++
				e := entryAt(r.version)
				r.mu.Unlock()
				if err := f.Cache.Finish(ctx, []cache.Finished{{Key: keys[i], Version: e.Version, Entry: &e}}, mark); err != nil {
					f.Errorf("finish: %v", err)
					return
				}
				for {
					known := r.acknowledged.Load()
					if known >= int64(e.Version) || r.acknowledged.CompareAndSwap(known, int64(e.Version)) {
						break
					}
				}
			}
		})
	}
	for who := range 3 {
		wg.Go(func() { // a reader
			random := rand.New(rand.NewPCG(uint64(who), 2))
			for range rounds * 3 {
				i := random.IntN(len(keys))
				r := &registers[i]
				least := kv.Version(r.acknowledged.Load())
				found, err := f.Cache.Read(ctx, keys[i])
				if err != nil {
					f.Errorf("read: %v", err)
					return
				}
				got := found.Entry.Version
				if !found.Found {
					r.mu.Lock()
					got = r.version
					r.mu.Unlock()
					if lease := max(found.Lease, found.Held); lease != 0 {
						if _, err := f.Cache.Fill(ctx, keys[i], lease, entryAt(got), false); err != nil {
							f.Errorf("fill: %v", err)
							return
						}
					}
				}
				if got < least {
					f.Errorf("read version %d, acknowledged %d", got, least)
					return
				}
			}
		})
	}
	wg.Go(func() { // memory that runs short, and time
		random := rand.New(rand.NewPCG(1, 3))
		for range rounds {
			if random.IntN(2) == 0 {
				f.Forget(keys[random.IntN(len(keys))])
			} else {
				f.Advance(time.Duration(random.IntN(int(f.LeaseTTL))))
			}
		}
	})
	wg.Wait()
}
