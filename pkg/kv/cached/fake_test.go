package cached_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/memory"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/cached"
)

// fakeStore is a store of versions whose calls a test can hold up or fail.
type fakeStore struct {
	kv.Store // what a test does not expect to be called

	mu       sync.Mutex
	versions map[string]kv.Version // negative: deleted at that version
	reads    int
	writes   int

	onGet   func(ctx context.Context, read func() (kv.Entry, error)) (kv.Entry, error)
	onApply func(ctx context.Context, write func() (kv.Result, error)) (kv.Result, error)
	onBatch func(ops []kv.Operation) ([]kv.Result, error)
	onTxn   func(txn kv.Txn) (kv.TxnResult, error)
}

func newFakeStore() *fakeStore { return &fakeStore{versions: map[string]kv.Version{}} }

func (s *fakeStore) Get(ctx context.Context, _, key string, _ kv.ReadOptions) (kv.Entry, error) {
	s.mu.Lock()
	s.reads++
	s.mu.Unlock()
	read := func() (kv.Entry, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if v := s.versions[key]; v <= 0 {
			return kv.Entry{Key: key, Version: -v, Source: kv.SourceDatabase}, kv.ErrNotFound
		}
		return stored(key, s.versions[key]), nil
	}
	if s.onGet != nil {
		return s.onGet(ctx, read)
	}
	return read()
}

func (s *fakeStore) Apply(ctx context.Context, _ string, op kv.Operation, _ kv.Identity) (kv.Result, error) {
	write := func() (kv.Result, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.writes++
		v := max(s.versions[op.Key], -s.versions[op.Key]) + 1
		if op.Kind == kv.KindDelete {
			s.versions[op.Key] = -v
			return kv.Result{Kind: op.Kind, Key: op.Key, Version: v}, nil
		}
		s.versions[op.Key] = v
		e := stored(op.Key, v)
		return kv.Result{Kind: op.Kind, Key: op.Key, Version: v, Entry: &e}, nil
	}
	if s.onApply != nil {
		return s.onApply(ctx, write)
	}
	return write()
}

func (s *fakeStore) Batch(_ context.Context, _ string, ops []kv.Operation, _ kv.Identity) ([]kv.Result, error) {
	return s.onBatch(ops)
}

func (s *fakeStore) Txn(_ context.Context, _ string, txn kv.Txn, _ kv.Identity) (kv.TxnResult, error) {
	return s.onTxn(txn)
}

// set changes a key behind the cache's back.
func (s *fakeStore) set(key string, v kv.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[key] = v
}

// readCount gives the number of reads so far.
func (s *fakeStore) readCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func stored(key string, v kv.Version) kv.Entry {
	value := fmt.Appendf(nil, "value %d", v)
	return kv.Entry{Key: key, Version: v, Value: value, Size: int64(len(value)), Source: kv.SourceDatabase}
}

// tracedCache notes the steps that are made, and fails those a test names.
type tracedCache struct {
	cache.Cache

	mu    sync.Mutex
	steps []string
	fail  map[string]error
	slow  func(step string)
}

func (c *tracedCache) step(ctx context.Context, name, what string) error {
	if c.slow != nil {
		c.slow(name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, name+what)
	return c.fail[name]
}

func (c *tracedCache) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	steps := c.steps
	c.steps = nil
	return steps
}

func (c *tracedCache) Begin(ctx context.Context, keys []cache.Key, m cache.Mark, ttl time.Duration) error {
	what := ""
	for _, k := range keys {
		what += " " + k.Key
	}
	if err := c.step(ctx, "begin", what); err != nil {
		return err
	}
	return c.Cache.Begin(ctx, keys, m, ttl)
}

func (c *tracedCache) Finish(ctx context.Context, writes []cache.Finished, m cache.Mark) error {
	what := ""
	for _, w := range writes {
		what += fmt.Sprintf(" %s@%d", w.Key.Key, w.Version)
		if w.Entry != nil {
			what += "+"
		}
	}
	if err := c.step(ctx, "finish", what); err != nil {
		return err
	}
	return c.Cache.Finish(ctx, writes, m)
}

func (c *tracedCache) Read(ctx context.Context, key cache.Key) (cache.Lookup, error) {
	// As in memory, a read is made whether the caller is there or not.
	if err := c.step(context.WithoutCancel(ctx), "read", " "+key.Key); err != nil {
		return cache.Lookup{}, err
	}
	return c.Cache.Read(ctx, key)
}

func (c *tracedCache) Fill(ctx context.Context, key cache.Key, l cache.Lease, e kv.Entry, absent bool) (bool, error) {
	if err := c.step(ctx, "fill", fmt.Sprintf(" %s@%d", key.Key, e.Version)); err != nil {
		return false, err
	}
	return c.Cache.Fill(ctx, key, l, e, absent)
}

// bench is a cached store on fakes.
type bench struct {
	*cached.Store
	t      *testing.T
	db     *fakeStore
	memory *memory.Cache
	cache  *tracedCache
}

func newBench(t *testing.T, opts cached.Options) *bench {
	t.Helper()
	m, err := memory.New(memory.Options{Now: opts.Now})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, db: newFakeStore(), memory: m, cache: &tracedCache{Cache: m, fail: map[string]error{}}}
	b.Store = cached.New(b.db, b.cache, opts)
	return b
}

const ns = "space"

func (b *bench) get(opts kv.ReadOptions) (kv.Entry, error) {
	return b.Get(b.t.Context(), ns, "k", opts)
}

// sees reads the key and holds its version and who answered.
func (b *bench) sees(want kv.Version, source kv.Source) {
	b.t.Helper()
	e, err := b.get(kv.ReadOptions{})
	if err != nil || e.Version != want || e.Source != source || string(e.Value) != fmt.Sprintf("value %d", want) {
		b.t.Fatalf("read version %d from %q, %v; want %d from %q", e.Version, e.Source, err, want, source)
	}
}

func (b *bench) put() (kv.Result, error) {
	return b.Apply(b.t.Context(), ns, kv.Operation{Kind: kv.KindPut, Key: "k"}, kv.Identity{})
}

func (b *bench) mustPut() kv.Version {
	b.t.Helper()
	res, err := b.put()
	if err != nil {
		b.t.Fatalf("put: %v", err)
	}
	return res.Version
}

func (b *bench) wantCode(err error, want kv.Code) {
	b.t.Helper()
	if got := kv.CodeOf(err); got != want {
		b.t.Fatalf("error %v, want %s", err, want)
	}
}

func (b *bench) wantSteps(want ...string) {
	b.t.Helper()
	if got := b.cache.took(); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Fatalf("steps %q, want %q", got, want)
	}
}

func key(k string) cache.Key { return cache.Key{Namespace: ns, Key: k} }
