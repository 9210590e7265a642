package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
	"github.com/trivetkv/trivet/services/api/server"
	"github.com/trivetkv/trivet/services/api/watch"
)

// faulty is a store that breaks a promise. Its hooks get the real store.
type faulty struct {
	kv.Store
	calls atomic.Int64 // that a hook has counted

	apply   func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error)
	txn     func(f *faulty, ctx context.Context, ns string, t kv.Txn, id kv.Identity) (kv.TxnResult, error)
	get     func(f *faulty, e kv.Entry) kv.Entry
	changes func(f *faulty, page *kv.ChangePage)
	list    func(page *kv.ListPage)
	history func(page *kv.HistoryPage)
	consume func(f *faulty, ctx context.Context, w deferred.Write) error
	killed  func(f *faulty) error
}

// often is true for one call of five. One call alone could be the one that a
// kill leaves without an answer, which excuses everything.
func (f *faulty) often() bool { return f.calls.Add(1)%5 == 0 }

func (f *faulty) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	if f.apply != nil && !id.Deferred {
		return f.apply(f, ctx, ns, op, id)
	}
	return f.Store.Apply(ctx, ns, op, id)
}

func (f *faulty) Txn(ctx context.Context, ns string, t kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	if f.txn != nil {
		return f.txn(f, ctx, ns, t, id)
	}
	return f.Store.Txn(ctx, ns, t, id)
}

func (f *faulty) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	e, err := f.Store.Get(ctx, ns, key, opts)
	if f.get != nil && err == nil {
		e = f.get(f, e)
	}
	return e, err
}

func (f *faulty) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	page, err := f.Store.Changes(ctx, ns, q)
	if f.changes != nil && err == nil {
		f.changes(f, &page)
	}
	return page, err
}

func (f *faulty) List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error) {
	page, err := f.Store.List(ctx, ns, q)
	if f.list != nil && err == nil {
		f.list(&page)
	}
	return page, err
}

func (f *faulty) History(ctx context.Context, ns, key string, q kv.HistoryQuery) (kv.HistoryPage, error) {
	page, err := f.Store.History(ctx, ns, key, q)
	if f.history != nil && err == nil {
		f.history(&page)
	}
	return page, err
}

// inProcess serves a store that outlives its kills, which cut connections only.
type inProcess struct {
	store *faulty
	queue broker.Broker
	hub   *watch.Hub
	http  *httptest.Server
}

func newInProcess(t *testing.T, f *faulty) *inProcess {
	t.Helper()
	store, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := jetstream.Open(t.TempDir(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Store = store
	if f.consume == nil {
		f.consume = func(f *faulty, ctx context.Context, w deferred.Write) error {
			_, err := f.Store.Apply(ctx, w.Namespace, w.Operation, w.Identity)
			return err
		}
	}
	subscription, err := queue.Subscribe(func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
		verdicts := make([]broker.Verdict, 0, len(batch))
		for _, d := range batch {
			w, err := deferred.Decode(d.Body)
			if err == nil {
				err = f.consume(f, ctx, w)
			}
			if err != nil {
				break
			}
			verdicts = append(verdicts, broker.Ack())
		}
		return verdicts
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(subscription.Stop(context.Background()), queue.Close(), store.Close())
		if err != nil {
			t.Error(err)
		}
	})
	return &inProcess{store: f, queue: queue}
}

func (p *inProcess) launch(ctx context.Context) error {
	p.hub = watch.NewHub(p.store, watch.Options{Problem: server.Problem})
	if err := p.hub.Start(ctx); err != nil {
		return err
	}
	s, err := server.New(server.Options{Store: p.store, Broker: p.queue, Watch: p.hub})
	if err != nil {
		return err
	}
	p.http = httptest.NewServer(s)
	return nil
}

func (p *inProcess) ready(context.Context) (string, error) { return p.http.URL, nil }

func (p *inProcess) kill() error {
	if p.http == nil {
		return nil
	}
	_ = p.http.Listener.Close() // first, or clients would connect again
	p.http.CloseClientConnections()
	p.http.Close()
	p.http = nil
	if err := p.hub.Stop(context.Background()); err != nil {
		return err
	}
	// A real kill takes the requests with it. Here they are still in the
	// store's queue: one that changes nothing waits behind them.
	_, err := p.store.Store.Apply(context.Background(), "alpha", kv.Operation{Kind: kv.KindDelete, Key: "never-written"}, kv.Identity{})
	if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	if p.store.killed == nil {
		return nil
	}
	for {
		stats, err := p.queue.Stats(context.Background())
		if err != nil {
			return err
		}
		if stats.Ready+stats.Unsettled == 0 {
			return p.store.killed(p.store)
		}
		time.Sleep(time.Millisecond)
	}
}

func runFaulty(t *testing.T, f *faulty, rounds int) error {
	t.Helper()
	_, err := kill9(t.Context(), config{
		victim: newInProcess(t, f),
		rounds: rounds,
		seed:   newSeed(),
		load:   150 * time.Millisecond,
		logf:   func(string, ...any) {},

		applyWithin: 2 * time.Second,
	})
	return err
}

func TestHonestServerPasses(t *testing.T) {
	t.Parallel()
	if err := runFaulty(t, &faulty{}, 3); err != nil {
		t.Error(err)
	}
}

// isPut tells an unconditional, unnamed put of a small value.
func isPut(op kv.Operation) bool { return op.Kind == kv.KindPut && op.If.Always() }

func TestBrokenPromisesAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want  []fault // any of them
		store *faulty
	}{
		"an acknowledged write is not made": {[]fault{lost, stale}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				if isPut(op) && f.often() {
					version := kv.Version(time.Now().UnixMicro())
					return kv.Result{Kind: op.Kind, Key: op.Key, Version: version, Entry: &kv.Entry{Key: op.Key, Version: version}}, nil
				}
				return f.Store.Apply(ctx, ns, op, id)
			},
		}},
		"a write is made twice": {[]fault{twice}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				if isPut(op) && f.often() {
					if _, err := f.Store.Apply(ctx, ns, op, kv.Identity{}); err != nil {
						return kv.Result{}, err
					}
				}
				return f.Store.Apply(ctx, ns, op, id)
			},
		}},
		"an increment is made twice": {[]fault{twice}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				if op.Kind == kv.KindIncrement && f.often() {
					if _, err := f.Store.Apply(ctx, ns, op, kv.Identity{}); err != nil {
						return kv.Result{}, err
					}
				}
				return f.Store.Apply(ctx, ns, op, id)
			},
		}},
		"a delete is made, its key comes back, and it is made again": {[]fault{twice, ghost}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				result, err := f.Store.Apply(ctx, ns, op, id)
				if isPut(op) && err == nil && f.often() {
					_, err = f.Store.Apply(ctx, ns, kv.Operation{Kind: kv.KindDelete, Key: op.Key}, kv.Identity{})
				}
				return result, err
			},
		}},
		"half of a transaction is made": {[]fault{torn}, &faulty{
			txn: func(f *faulty, ctx context.Context, ns string, t kv.Txn, id kv.Identity) (kv.TxnResult, error) {
				if len(t.Compare) == 0 && id.ID.IsZero() && f.often() {
					t.Success = t.Success[1:]
					_, _ = f.Store.Txn(ctx, ns, t, kv.Identity{})
					return kv.TxnResult{}, &kv.Error{Code: kv.CodeUnavailable, Detail: "cut off in the middle"}
				}
				return f.Store.Txn(ctx, ns, t, id)
			},
		}},
		"a transaction's writes are apart": {[]fault{torn}, &faulty{
			txn: func(f *faulty, ctx context.Context, ns string, t kv.Txn, id kv.Identity) (kv.TxnResult, error) {
				if len(t.Compare) > 0 || !id.ID.IsZero() {
					return f.Store.Txn(ctx, ns, t, id)
				}
				out := kv.TxnResult{Succeeded: true}
				for _, op := range t.Success {
					result, err := f.Store.Apply(ctx, ns, op, kv.Identity{})
					if err != nil {
						return out, err
					}
					out.Results = append(out.Results, result)
				}
				return out, nil
			},
		}},
		"a refused write is made": {[]fault{ghost}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				if op.If.Absent && f.often() {
					op.If = kv.Condition{}
					if _, err := f.Store.Apply(ctx, ns, op, id); err != nil {
						return kv.Result{}, err
					}
					return kv.Result{}, kv.ErrAlreadyExists
				}
				return f.Store.Apply(ctx, ns, op, id)
			},
		}},
		"conditions are not held": {[]fault{condition}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				op.If = kv.Condition{}
				return f.Store.Apply(ctx, ns, op, id)
			},
		}},
		"write ids are forgotten": {[]fault{twice, answers}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, _ kv.Identity) (kv.Result, error) {
				return f.Store.Apply(ctx, ns, op, kv.Identity{})
			},
		}},
		"an increment adds another number": {[]fault{arithmetic, ghost}, &faulty{
			apply: func(f *faulty, ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
				if op.Kind == kv.KindIncrement && f.often() {
					op.By++
				}
				return f.Store.Apply(ctx, ns, op, id)
			},
		}},
		"an accepted write is dropped": {[]fault{lost}, &faulty{
			consume: func(f *faulty, ctx context.Context, w deferred.Write) error {
				if f.often() {
					return nil
				}
				_, err := f.Store.Apply(ctx, w.Namespace, w.Operation, w.Identity)
				return err
			},
		}},
		"an accepted write is made twice": {[]fault{twice}, &faulty{
			consume: func(f *faulty, ctx context.Context, w deferred.Write) error {
				if f.often() {
					if _, err := f.Store.Apply(ctx, w.Namespace, w.Operation, kv.Identity{}); err != nil {
						return err
					}
				}
				_, err := f.Store.Apply(ctx, w.Namespace, w.Operation, w.Identity)
				return err
			},
		}},
		"accepted writes change places": {[]fault{disorder}, reversed()},
		"the change log has a hole": {[]fault{gap}, &faulty{
			changes: func(_ *faulty, page *kv.ChangePage) {
				page.Changes = slices.DeleteFunc(page.Changes, func(c kv.Change) bool { return c.Position%50 == 0 && c.Key != fenceKey })
			},
		}},
		"reads are of yesterday": {[]fault{stale}, &faulty{get: firstRead()}},
		"a list leaves a key out": {[]fault{lost}, &faulty{
			list: func(page *kv.ListPage) { page.Entries = page.Entries[min(1, len(page.Entries)):] },
		}},
		"a history leaves a version out": {[]fault{rewritten}, &faulty{
			history: func(page *kv.HistoryPage) { page.Versions = page.Versions[min(1, len(page.Versions)):] },
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := runFaulty(t, c.store, 20) // ends with the first that it finds
			var b *broken
			if !errors.As(err, &b) {
				t.Fatalf("the run ended with %v; want a broken promise", err)
			}
			if !slices.ContainsFunc(b.violations, func(v violation) bool { return slices.Contains(c.want, v.fault) }) {
				t.Errorf("no violation is one of %v: %v", c.want, b)
			}
		})
	}
}

// reversed holds accepted writes back, and applies them in reverse at the kill.
func reversed() *faulty {
	var mu sync.Mutex
	var held []deferred.Write
	return &faulty{
		consume: func(_ *faulty, _ context.Context, w deferred.Write) error {
			mu.Lock()
			defer mu.Unlock()
			held = append(held, w)
			return nil
		},
		killed: func(f *faulty) error {
			mu.Lock()
			defer mu.Unlock()
			slices.Reverse(held)
			var errs []error
			for _, w := range held {
				_, err := f.Store.Apply(context.Background(), w.Namespace, w.Operation, w.Identity)
				errs = append(errs, err)
			}
			held = nil
			return errors.Join(errs...)
		},
	}
}

// firstRead answers every read of a key with what its first read gave.
func firstRead() func(*faulty, kv.Entry) kv.Entry {
	var mu sync.Mutex
	first := map[string]kv.Entry{}
	return func(_ *faulty, e kv.Entry) kv.Entry {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := first[e.Key]; !ok {
			first[e.Key] = e
		}
		return first[e.Key]
	}
}

func TestServerThatEndsByItselfIsFound(t *testing.T) {
	t.Parallel()
	p := &process{binary: "/bin/false", dir: t.TempDir(), log: t.TempDir() + "/log"}
	_, err := kill9(t.Context(), config{victim: p, rounds: 1, load: time.Millisecond, logf: t.Logf})
	var b *broken
	if !errors.As(err, &b) || b.violations[0].fault != ended {
		t.Errorf("the run ended with %v", err)
	}
}
