//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

const space = "space"

// deployment is some processes on one database, with their caches, under load.
type deployment struct {
	*testing.T
	db     kv.Store
	epochs *epoch.Local
	keys   []string
	procs  []*process

	fromCache atomic.Int64 // reads that the cache answered
	writes    atomic.Int64 // that were acknowledged
	failures  atomic.Int64 // reads and writes that were answered by an error

	mu    sync.Mutex
	acked map[string][]acknowledgement
	older time.Duration // the oldest answer, by when it was superseded
}

type acknowledgement struct {
	version kv.Version
	at      time.Time
}

// process is one process's way to the data.
type process struct {
	store kv.Store
	cache *redis.Cache // nil when a test has made the cache itself
	told  *prometheus.Registry
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &deployment{T: t, db: db, epochs: epoch.NewLocal(nil), acked: map[string][]acknowledgement{}}
	for i := range 20 {
		d.keys = append(d.keys, fmt.Sprint("key ", i))
	}
	return d
}

// join adds a process that reaches Redis at an address.
func (d *deployment) join(address string, timeout time.Duration) *process {
	d.Helper()
	c, err := redis.New(parse(d, address), redis.Options{Epochs: d.epochs, Timeout: timeout, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.Fatal(err)
	}
	start(d, c)
	p := d.joinBehind(c, c.Cover)
	p.cache = c
	return p
}

func (d *deployment) joinBehind(c cache.Cache, onLoss func(context.Context, error) error) *process {
	p := &process{told: prometheus.NewRegistry()}
	p.store = cached.New(d.db, c, cached.Options{OnLoss: onLoss, MarkTTL: 2 * time.Second, Metrics: p.told})
	d.procs = append(d.procs, p)
	return p
}

// pace is how long a client of the load thinks between two calls.
const pace = 2 * time.Millisecond

// underLoad runs disturb while every process reads and writes, and ends the
// load when disturb returns.
func (d *deployment) underLoad(disturb func()) {
	ctx, cancel := context.WithCancel(d.Context())
	var clients sync.WaitGroup
	for _, p := range d.procs {
		for range 2 {
			clients.Go(func() { d.client(ctx, p.write) })
		}
		for range 4 {
			clients.Go(func() { d.client(ctx, p.read) })
		}
	}
	disturb()
	cancel()
	clients.Wait()
}

func (d *deployment) client(ctx context.Context, call func(ctx context.Context, d *deployment, key string) error) {
	thinking := time.NewTicker(pace)
	defer thinking.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-thinking.C:
		}
		if err := call(ctx, d, d.keys[rand.IntN(len(d.keys))]); err != nil && ctx.Err() == nil {
			d.failures.Add(1)
			d.Logf("call: %v", err)
		}
	}
}

func (p *process) write(ctx context.Context, d *deployment, key string) error {
	op := kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte("value")}
	if rand.IntN(5) == 0 {
		op = kv.Operation{Kind: kv.KindDelete, Key: key}
	}
	res, err := p.store.Apply(ctx, space, op, kv.Identity{})
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acked[key] = append(d.acked[key], acknowledgement{res.Version, time.Now()})
	d.writes.Add(1)
	return nil
}

func (p *process) read(ctx context.Context, d *deployment, key string) error {
	began := time.Now()
	e, err := p.store.Get(ctx, space, key, kv.ReadOptions{})
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	if e.Source == kv.SourceCache {
		d.fromCache.Add(1)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.acked[key] {
		if a.version > e.Version && a.at.Before(began) {
			d.older = max(d.older, began.Sub(a.at))
			break // the first one that it should have seen
		}
	}
	return nil
}

// answered returns once the cache has answered some more reads, and some more
// writes were acknowledged.
func (d *deployment) answered(reads, writes int64) {
	d.Helper()
	reads, writes = d.fromCache.Load()+reads, d.writes.Load()+writes
	d.await("answers", func() bool { return d.fromCache.Load() >= reads && d.writes.Load() >= writes })
}

func (d *deployment) await(what string, ok func() bool) {
	d.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			d.Fatalf("waited for %s in vain", what)
		}
	}
}

// neverOlder holds that no read was older than a write that was acknowledged
// more than a bound before the read began, and that nothing failed.
func (d *deployment) neverOlder(than time.Duration) {
	d.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Logf("%d reads from the cache, %d writes, the oldest answer was superseded %s before it was asked for",
		d.fromCache.Load(), d.writes.Load(), d.older)
	if d.older > than {
		d.Errorf("an answer was superseded %s before it was asked for; at most %s is allowed", d.older, than)
	}
	if n := d.failures.Load(); n > 0 {
		d.Errorf("%d calls failed", n)
	}
}

func keyOf(key string) cache.Key { return cache.Key{Namespace: space, Key: key} }

// counts gives a counter of all processes together.
func (d *deployment) counts(name string) (total float64) {
	for _, p := range d.procs {
		families, err := p.told.Gather()
		if err != nil {
			d.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				total += f.GetMetric()[0].GetCounter().GetValue()
			}
		}
	}
	return total
}
