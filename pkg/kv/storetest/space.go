package storetest

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// patience is how long the suite waits for what has to happen soon.
const patience = 20 * time.Second

// space is one namespace of a store under test.
type space struct {
	*testing.T
	Harness
	ns string
}

var spaces atomic.Int64

func start(t *testing.T, open Open) *space {
	t.Helper()
	return &space{T: t, Harness: open(t), ns: fmt.Sprintf("space-%d", spaces.Add(1))}
}

// another gives a second namespace of the same store.
func (s *space) another() *space {
	other := *s
	other.ns = fmt.Sprintf("space-%d", spaces.Add(1))
	return &other
}

// --- what a test needs of its harness

func (s *space) needClock() {
	s.Helper()
	if s.Clock == nil {
		s.Skip("the store's clock cannot be set")
	}
}

func (s *space) needMaintainer() {
	s.Helper()
	if s.Maintainer == nil {
		s.Skip("the store is maintained by others")
	}
}

func (s *space) reopen() {
	s.Helper()
	if s.Reopen == nil {
		s.Skip("the store cannot be opened again")
	}
	s.Harness = s.Reopen(s.T)
}

// --- time

// shortly gives a time to live that a test can wait for.
func (s *space) shortly() time.Duration {
	if s.Clock != nil {
		return time.Minute
	}
	return 150 * time.Millisecond
}

// lapse lets the time to live of an entry that was just written run out.
func (s *space) lapse(key string, ttl time.Duration) {
	s.Helper()
	if s.Clock != nil {
		s.Clock.Advance(ttl)
		return
	}
	s.eventually("the entry expires", func() bool {
		_, err := s.Store.Get(s.Context(), s.ns, key, kv.ReadOptions{Consistency: kv.Strong})
		return kv.CodeOf(err) == kv.CodeNotFound
	})
}

// eventually polls a condition that has to hold soon.
func (s *space) eventually(what string, holds func() bool) {
	s.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// --- upkeep

// sweepAll turns all that has expired into changes and gives their number.
func (s *space) sweepAll() int {
	s.Helper()
	return s.maintain("sweep", s.Maintainer.Sweep)
}

func (s *space) compactAll() {
	s.Helper()
	// What compaction removes may have to wait for a round of its own.
	for range 3 {
		s.maintain("compact", s.Maintainer.Compact)
		if s.Clock != nil {
			s.Clock.Advance(time.Minute)
		}
	}
}

func (s *space) maintain(what string, work func(context.Context, int) (int, error)) int {
	s.Helper()
	const limit = 100
	total := 0
	for range 1000 {
		n, err := work(s.Context(), limit)
		if err != nil {
			s.Fatalf("%s: %v", what, err)
		}
		if n < 0 || n > limit {
			s.Fatalf("%s did %d rows of at most %d", what, n, limit)
		}
		total += n
		if n < limit {
			return total
		}
	}
	s.Fatalf("%s never ends", what)
	return 0
}

func (s *space) settings(n kv.Namespace) {
	s.Helper()
	n.Name = s.ns
	if _, err := s.Store.SetNamespace(s.Context(), n); err != nil {
		s.Fatalf("set the namespace: %v", err)
	}
}

// --- operations

type option func(*kv.Operation)

func withTTL(ttl time.Duration) option { return func(op *kv.Operation) { op.TTL = ttl } }
func withType(t string) option         { return func(op *kv.Operation) { op.ContentType = t } }
func withMeta(m map[string]string) option {
	return func(op *kv.Operation) { op.Meta = m }
}
func onlyIf(c kv.Condition) option { return func(op *kv.Operation) { op.If = c } }

var (
	ifAbsent = kv.Condition{Absent: true}
	ifExists = kv.Condition{Exists: true}
)

func ifVersion(v ...kv.Version) kv.Condition { return kv.Condition{Versions: v} }

func with(op kv.Operation, options []option) kv.Operation {
	for _, o := range options {
		o(&op)
	}
	return op
}

func putOp(key, value string, options ...option) kv.Operation {
	return with(kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte(value)}, options)
}

func getOp(key string) kv.Operation { return kv.Operation{Kind: kv.KindGet, Key: key} }

func deleteOp(key string, options ...option) kv.Operation {
	return with(kv.Operation{Kind: kv.KindDelete, Key: key}, options)
}

func incrementOp(key string, by int64, options ...option) kv.Operation {
	return with(kv.Operation{Kind: kv.KindIncrement, Key: key, By: by}, options)
}

func restoreOp(key string, v kv.Version, options ...option) kv.Operation {
	return with(kv.Operation{Kind: kv.KindRestore, Key: key, Restore: v}, options)
}

// apply runs an unnamed operation.
func (s *space) apply(op kv.Operation) (kv.Result, error) {
	return s.Store.Apply(s.Context(), s.ns, op, kv.Identity{})
}

// must runs an unnamed operation that has to succeed.
func (s *space) must(op kv.Operation) kv.Result {
	s.Helper()
	res, err := s.apply(op)
	if err != nil {
		s.Fatalf("%s %q: %v", op.Kind, op.Key, err)
	}
	if res.Kind != op.Kind || res.Key != op.Key || res.Err != nil || res.Replayed {
		s.Fatalf("%s %q answered %+v", op.Kind, op.Key, res)
	}
	return res
}

// refused runs an unnamed operation that has to be refused.
func (s *space) refused(op kv.Operation, want kv.Code) {
	s.Helper()
	res, err := s.apply(op)
	s.wantCode(err, want, "%s %q answered %+v", op.Kind, op.Key, res)
}

func (s *space) put(key, value string, options ...option) kv.Result {
	s.Helper()
	return s.must(putOp(key, value, options...))
}

func (s *space) delete(key string) kv.Version {
	s.Helper()
	return s.must(deleteOp(key)).Version
}

// get reads a key that has to be present, by every consistency.
func (s *space) get(key string) kv.Entry {
	s.Helper()
	strong, err := s.Store.Get(s.Context(), s.ns, key, kv.ReadOptions{Consistency: kv.Strong})
	if err != nil {
		s.Fatalf("get %q: %v", key, err)
	}
	if strong.Key != key || strong.Source != kv.SourceDatabase || strong.Size != int64(len(strong.Value)) {
		s.Fatalf("get %q answered %s", key, brief(strong))
	}
	for _, c := range []kv.Consistency{kv.Shared, kv.Local, kv.Shared} {
		e, err := s.Store.Get(s.Context(), s.ns, key, kv.ReadOptions{Consistency: c, MaxAge: time.Hour})
		if err != nil {
			s.Fatalf("get %q by consistency %d: %v", key, c, err)
		}
		if !same(e, strong) {
			s.Fatalf("get %q by consistency %d: %s, from the database: %s", key, c, brief(e), brief(strong))
		}
	}
	return strong
}

// absent reads a key that must not exist, by every consistency, and gives the
// version of its deletion.
func (s *space) absent(key string) kv.Version {
	s.Helper()
	var version kv.Version
	for _, c := range []kv.Consistency{kv.Strong, kv.Shared, kv.Local, kv.Shared} {
		e, err := s.Store.Get(s.Context(), s.ns, key, kv.ReadOptions{Consistency: c, MaxAge: time.Hour})
		s.wantCode(err, kv.CodeNotFound, "get %q by consistency %d answered %s", key, c, brief(e))
		if e.Key != key || e.Value != nil || e.Source == "" {
			s.Fatalf("get of the absent key %q by consistency %d answered %s", key, c, brief(e))
		}
		if c == kv.Strong {
			version = e.Version
		}
	}
	return version
}

func (s *space) batch(ops ...kv.Operation) []kv.Result {
	s.Helper()
	results, err := s.Store.Batch(s.Context(), s.ns, ops, kv.Identity{})
	if err != nil {
		s.Fatalf("batch: %v", err)
	}
	if len(results) != len(ops) {
		s.Fatalf("a batch of %d operations has %d results", len(ops), len(results))
	}
	return results
}

// fill puts keys, each with its own name as the value.
func (s *space) fill(keys ...string) {
	s.Helper()
	for len(keys) > 0 {
		n := min(len(keys), kv.MaxBatchOperations)
		ops := make([]kv.Operation, n)
		for i, key := range keys[:n] {
			ops[i] = putOp(key, key)
		}
		for _, res := range s.batch(ops...) {
			if res.Err != nil {
				s.Fatalf("put %q: %v", res.Key, res.Err)
			}
		}
		keys = keys[n:]
	}
}

func (s *space) txn(txn kv.Txn) kv.TxnResult {
	s.Helper()
	res, err := s.Store.Txn(s.Context(), s.ns, txn, kv.Identity{})
	if err != nil {
		s.Fatalf("txn: %v", err)
	}
	return res
}

func (s *space) list(q kv.ListQuery) kv.ListPage {
	s.Helper()
	page, err := s.Store.List(s.Context(), s.ns, q)
	if err != nil {
		s.Fatalf("list %+v: %v", q, err)
	}
	if n := len(page.Entries) + len(page.Prefixes); n > q.Limit {
		s.Fatalf("a page of at most %d has %d", q.Limit, n)
	}
	return page
}

// keys lists all keys with a prefix.
func (s *space) keys(prefix string) []string {
	s.Helper()
	keys := []string{}
	q := kv.ListQuery{Prefix: prefix, Limit: 7}
	for {
		page := s.list(q)
		for _, e := range page.Entries {
			keys = append(keys, e.Key)
		}
		if page.Cursor == "" {
			return keys
		}
		q.Cursor = page.Cursor
	}
}

func (s *space) head() kv.Position {
	s.Helper()
	head, err := s.Store.Head(s.Context())
	if err != nil {
		s.Fatalf("head: %v", err)
	}
	return head
}

// changes reads the whole change log after a position, with values.
func (s *space) changes(after kv.Position) []kv.Change {
	s.Helper()
	return s.follow(kv.ChangeQuery{After: after, Limit: 100, Values: true})
}

// follow reads all changes that a query asks for, page by page.
func (s *space) follow(q kv.ChangeQuery) []kv.Change {
	s.Helper()
	var all []kv.Change
	for {
		page, err := s.Store.Changes(s.Context(), s.ns, q)
		if err != nil {
			s.Fatalf("changes %+v: %v", q, err)
		}
		if page.Next < q.After || len(page.Changes) > q.Limit {
			s.Fatalf("changes %+v: %d changes, next %d", q, len(page.Changes), page.Next)
		}
		all = append(all, page.Changes...)
		if !page.More {
			return all
		}
		if page.Next == q.After {
			s.Fatalf("changes %+v: there are more, but next stays", q)
		}
		q.After = page.Next
	}
}

func (s *space) namespace() kv.Namespace {
	s.Helper()
	n, err := s.Store.Namespace(s.Context(), s.ns)
	if err != nil {
		s.Fatalf("namespace: %v", err)
	}
	return n
}

// --- judging

func (s *space) wantCode(err error, want kv.Code, format string, args ...any) {
	s.Helper()
	if got := kv.CodeOf(err); got != want {
		s.Fatalf("%s: error %v, want %s", fmt.Sprintf(format, args...), err, want)
	}
}

// equal fails unless two values are deeply equal.
func (s *space) equal(what string, got, want any) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// same tells whether two answers show the same state of a key.
func same(a, b kv.Entry) bool {
	return a.Key == b.Key && a.Version == b.Version && string(a.Value) == string(b.Value) && a.Size == b.Size &&
		a.ContentType == b.ContentType && len(a.Meta) == len(b.Meta) && (len(a.Meta) == 0 || reflect.DeepEqual(a.Meta, b.Meta)) &&
		a.CreatedAt.Equal(b.CreatedAt) && a.UpdatedAt.Equal(b.UpdatedAt) && a.ExpiresAt.Equal(b.ExpiresAt)
}

// brief shows an entry without what may be 8 MiB of it.
func brief(e kv.Entry) string {
	value := e.Value
	if len(value) > 40 {
		value = value[:40]
	}
	return fmt.Sprintf("{key %.40q version %d size %d value %q type %q meta %v created %s updated %s expires %s left %s position %d source %q}",
		e.Key, e.Version, e.Size, value, e.ContentType, e.Meta, e.CreatedAt, e.UpdatedAt, e.ExpiresAt, e.TTLLeft, e.Position, e.Source)
}
