package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Store is a store with its upkeep.
type Store interface {
	kv.Store
	kv.Maintainer
}

// instrumentedStore counts and times the calls of a store. Await, which waits
// for others, and Ping are passed on as they are.
type instrumentedStore struct {
	Store

	get, list, apply, batch, txn, version, history, changes, head call
	record, claim, namespace, namespaces, setNamespace            call
	sweep, compact                                                call
}

// InstrumentStore puts metrics in front of a store.
func InstrumentStore(store Store, registerer prometheus.Registerer) Store {
	c := newCalls(registerer, MetricStoreCalls, MetricStoreSeconds, "store")
	s := &instrumentedStore{
		Store:        store,
		get:          c.method("get"),
		list:         c.method("list"),
		apply:        c.method("apply"),
		batch:        c.method("batch"),
		txn:          c.method("txn"),
		version:      c.method("version"),
		history:      c.method("history"),
		changes:      c.method("changes"),
		head:         c.method("head"),
		record:       c.method("record"),
		claim:        c.method("claim"),
		namespace:    c.method("namespace"),
		namespaces:   c.method("namespaces"),
		setNamespace: c.method("set_namespace"),
		sweep:        c.method("sweep"),
		compact:      c.method("compact"),
	}
	if grouper, ok := store.(kv.PutGrouper); ok {
		return &instrumentedGrouper{s, grouper, c.method("put")}
	}
	return s
}

// instrumentedGrouper counts and times the puts that a store commits in groups,
// with the steps that are made around them.
type instrumentedGrouper struct {
	*instrumentedStore

	grouper kv.PutGrouper
	put     call
}

// Bracket implements [kv.PutGrouper].
func (s *instrumentedGrouper) Bracket(around kv.Bracket) { s.grouper.Bracket(around) }

// PutGrouped implements [kv.PutGrouper].
func (s *instrumentedGrouper) PutGrouped(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, bool, error) {
	start := time.Now()
	result, grouped, err := s.grouper.PutGrouped(ctx, ns, op, id)
	if grouped {
		s.put.done(start, err)
	}
	return result, grouped, err
}

func (s *instrumentedStore) Get(ctx context.Context, ns, key string, opts kv.ReadOptions) (kv.Entry, error) {
	start := time.Now()
	entry, err := s.Store.Get(ctx, ns, key, opts)
	s.get.done(start, err)
	return entry, err
}

func (s *instrumentedStore) List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error) {
	start := time.Now()
	page, err := s.Store.List(ctx, ns, q)
	s.list.done(start, err)
	return page, err
}

func (s *instrumentedStore) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	start := time.Now()
	result, err := s.Store.Apply(ctx, ns, op, id)
	s.apply.done(start, err)
	return result, err
}

func (s *instrumentedStore) Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) ([]kv.Result, error) {
	start := time.Now()
	results, err := s.Store.Batch(ctx, ns, ops, id)
	s.batch.done(start, err)
	return results, err
}

func (s *instrumentedStore) Txn(ctx context.Context, ns string, txn kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	start := time.Now()
	result, err := s.Store.Txn(ctx, ns, txn, id)
	s.txn.done(start, err)
	return result, err
}

func (s *instrumentedStore) Version(ctx context.Context, ns, key string, v kv.Version) (kv.Entry, error) {
	start := time.Now()
	entry, err := s.Store.Version(ctx, ns, key, v)
	s.version.done(start, err)
	return entry, err
}

func (s *instrumentedStore) History(ctx context.Context, ns, key string, q kv.HistoryQuery) (kv.HistoryPage, error) {
	start := time.Now()
	page, err := s.Store.History(ctx, ns, key, q)
	s.history.done(start, err)
	return page, err
}

func (s *instrumentedStore) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	start := time.Now()
	page, err := s.Store.Changes(ctx, ns, q)
	s.changes.done(start, err)
	return page, err
}

func (s *instrumentedStore) Head(ctx context.Context) (kv.Position, error) {
	start := time.Now()
	position, err := s.Store.Head(ctx)
	s.head.done(start, err)
	return position, err
}

func (s *instrumentedStore) Record(ctx context.Context, id kv.WriteID) (kv.Record, error) {
	start := time.Now()
	record, err := s.Store.Record(ctx, id)
	s.record.done(start, err)
	return record, err
}

func (s *instrumentedStore) Claim(ctx context.Context, ns string, id kv.Identity) (kv.Record, error) {
	start := time.Now()
	record, err := s.Store.Claim(ctx, ns, id)
	s.claim.done(start, err)
	return record, err
}

func (s *instrumentedStore) Namespace(ctx context.Context, ns string) (kv.Namespace, error) {
	start := time.Now()
	namespace, err := s.Store.Namespace(ctx, ns)
	s.namespace.done(start, err)
	return namespace, err
}

func (s *instrumentedStore) Namespaces(ctx context.Context, after string, limit int) (kv.NamespacePage, error) {
	start := time.Now()
	page, err := s.Store.Namespaces(ctx, after, limit)
	s.namespaces.done(start, err)
	return page, err
}

func (s *instrumentedStore) SetNamespace(ctx context.Context, n kv.Namespace) (kv.Namespace, error) {
	start := time.Now()
	namespace, err := s.Store.SetNamespace(ctx, n)
	s.setNamespace.done(start, err)
	return namespace, err
}

func (s *instrumentedStore) Sweep(ctx context.Context, limit int) (int, error) {
	start := time.Now()
	n, err := s.Store.Sweep(ctx, limit)
	s.sweep.done(start, err)
	return n, err
}

func (s *instrumentedStore) Compact(ctx context.Context, limit int) (int, error) {
	start := time.Now()
	n, err := s.Store.Compact(ctx, limit)
	s.compact.done(start, err)
	return n, err
}
