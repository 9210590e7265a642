//go:build unix

package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

const space = "space"

func put(key, value string) kv.Operation {
	return kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte(value)}
}

func increment(key string) kv.Operation {
	return kv.Operation{Kind: kv.KindIncrement, Key: key, By: 1}
}

func apply(t *testing.T, s *postgres.Store, op kv.Operation) kv.Result {
	t.Helper()
	res, err := s.Apply(t.Context(), space, op, kv.Identity{})
	if err != nil {
		t.Fatalf("%s %q: %v", op.Kind, op.Key, err)
	}
	return res
}

func get(t *testing.T, s *postgres.Store, key string) string {
	t.Helper()
	e, err := s.Get(t.Context(), space, key, kv.ReadOptions{Consistency: kv.Strong})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return string(e.Value)
}

// connect gives a connection to the database by the side of the store's.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// eventually waits for what has to happen soon and cannot be waited for.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// TestTrapDeadlockingBatch has two processes write the same keys in every order,
// by puts, batches and transactions at once.
func TestTrapDeadlockingBatch(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	stores := []*postgres.Store{open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			s := stores[w%len(stores)]
			for range 30 {
				keys := random.Perm(12)
				var err error
				switch w / 2 % 4 {
				case 0, 1:
					_, err = s.Apply(t.Context(), space, put(fmt.Sprint(keys[0]), "1"), kv.Identity{})
				case 2:
					ops := make([]kv.Operation, len(keys))
					for i, k := range keys {
						ops[i] = put(fmt.Sprint(k), "2")
					}
					id := kv.Identity{ID: kv.DeriveWriteID("test", space, fmt.Sprint(random.IntN(40)))}
					_, err = s.Batch(t.Context(), space, ops, id)
				case 3:
					txn := kv.Txn{Compare: []kv.Compare{{Key: "absent", Target: kv.TargetExists, Is: kv.RelationEqual}}}
					for _, k := range keys[:6] {
						txn.Success = append(txn.Success, put(fmt.Sprint(k), "3"))
					}
					_, err = s.Txn(t.Context(), space, txn, kv.Identity{})
				}
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i, s := range stores {
		if n := s.Conflicts(); n != 0 {
			t.Errorf("store %d met %v deadlocks", i, n)
		}
	}
}

// TestTrapSequenceCursor lets a commit that drew its number early end late. It
// gets a position behind those that have been read.
func TestTrapSequenceCursor(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	s := open(t, postgres.Options{URL: url})
	apply(t, s, put("first", "1"))

	conn := connect(t, url)
	slow, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Exec(t.Context(), postgres.SQLPut, postgres.PutArguments(space, put("slow", "1"))...); err != nil {
		t.Fatal(err)
	}
	apply(t, s, put("fast", "1"))
	before, err := s.Changes(t.Context(), space, kv.ChangeQuery{Limit: 10})
	if err != nil || len(before.Changes) != 2 || before.Changes[1].Key != "fast" {
		t.Fatalf("changes before: %+v, %v", before, err)
	}
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := s.Changes(t.Context(), space, kv.ChangeQuery{After: before.Next, Limit: 10})
	if err != nil || len(after.Changes) != 1 || after.Changes[0].Key != "slow" || after.Changes[0].Position != 3 {
		t.Fatalf("changes after: %+v, %v", after, err)
	}
}

// TestTrapAmbiguousCommit cuts connections between a commit and its answer.
// Each write is made once and answered.
func TestTrapAmbiguousCommit(t *testing.T) {
	t.Parallel()
	server := testserver.SharedPostgres(t)
	const marker = "the marked value"
	for name, tt := range map[string]struct {
		op      kv.Operation
		changes int
	}{
		"put":           {put("k", marker), 1},
		"put over put":  {put("there", marker), 1},
		"put if absent": {kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte(marker), If: kv.Condition{Absent: true}}, 1},
		"increment":     {kv.Operation{Kind: kv.KindIncrement, Key: marker, By: 5}, 1},
		"delete":        {kv.Operation{Kind: kv.KindDelete, Key: marker}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := server.NewURL(t)
			p := newProxy(t, server.Addr(), marker)
			s := open(t, postgres.Options{URL: p.through(t, direct)})
			apply(t, s, put("there", "1"))
			if tt.op.Kind == kv.KindDelete {
				apply(t, s, put(marker, "1"))
			}
			head, err := s.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.cuts.Store(3)
			res := apply(t, s, tt.op)
			if s.Retries() == 0 {
				t.Fatal("no connection was cut")
			}
			page, err := s.Changes(t.Context(), space, kv.ChangeQuery{After: head, Limit: 10})
			if err != nil || len(page.Changes) != tt.changes {
				t.Fatalf("changes %+v, %v", page.Changes, err)
			}
			if c := page.Changes[0]; c.Version != res.Version || c.Key != tt.op.Key {
				t.Fatalf("answered %+v, logged %+v", res, c)
			}
			switch tt.op.Kind {
			case kv.KindPut:
				if created := tt.op.Key == "k"; res.Created != created || get(t, s, tt.op.Key) != marker {
					t.Fatalf("answered %+v", res)
				}
			case kv.KindIncrement:
				if res.Number != 5 || get(t, s, marker) != "5" {
					t.Fatalf("answered %+v", res)
				}
			}
		})
	}
}

// TestTrapBadRow commits a value that the database refuses together with others.
func TestTrapBadRow(t *testing.T) {
	t.Parallel()
	s := open(t, postgres.Options{URL: testserver.PostgresURL(t)})
	ops := make([]kv.Operation, 20)
	for i := range ops {
		ops[i] = put(fmt.Sprintf("k%02d", i), "1")
	}
	ops[13].ContentType = "not\xffUTF-8"
	for i, err := range s.PutTogether(t, space, ops...) {
		if bad := i == 13; (err != nil) != bad || bad && kv.CodeOf(err) != kv.CodeInvalidArgument {
			t.Errorf("put %d: %v", i, err)
		}
	}
	page, err := s.List(t.Context(), space, kv.ListQuery{Limit: 100})
	if err != nil || len(page.Entries) != 19 {
		t.Fatalf("listed %d entries, %v", len(page.Entries), err)
	}
	if res, err := s.Apply(t.Context(), space, increment("n"), kv.Identity{}); err != nil || res.Number != 1 {
		t.Fatalf("the next write: %+v, %v", res, err)
	}
}

// TestTrapCancelledCaller lets a caller give up while his write waits for a
// lock, in one batch with another's.
func TestTrapCancelledCaller(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	s := open(t, postgres.Options{URL: url})
	apply(t, s, put("locked", "1"))
	conn := connect(t, url)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT * FROM trivet.entries FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	// These fill what may be under way at once, so that the next two share a batch.
	var first sync.WaitGroup
	for range 4 {
		first.Go(func() { _, _ = s.Apply(t.Context(), space, put("locked", "2"), kv.Identity{}) })
	}
	watch := connect(t, url) // a transaction sees the same activity all the time
	eventually(t, 10*time.Second, "writes wait for the lock", func() bool {
		var blocked int
		err := watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&blocked)
		return err == nil && blocked > 0
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := s.Apply(ctx, space, put("locked", "given up"), kv.Identity{})
		gone <- err
	}()
	kept := make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), space, put("kept", "1"), kv.Identity{})
		kept <- err
	}()
	cancel()
	if err := <-gone; kv.CodeOf(err) != kv.CodeUnavailable {
		t.Fatalf("the caller that gave up: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-kept; err != nil {
		t.Fatalf("the other caller: %v", err)
	}
	first.Wait()
	if got := get(t, s, "kept"); got != "1" {
		t.Fatalf("read %q", got)
	}
}

// TestTrapNamedWriteHoldsUpNobody has a named write wait for another with its
// name that does not end.
func TestTrapNamedWriteHoldsUpNobody(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	s := open(t, postgres.Options{URL: url})
	id := kv.Identity{ID: kv.DeriveWriteID("test", space, "name")}
	conn := connect(t, url)
	other, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `INSERT INTO trivet.writes (id, ns, hash, state, at, succeeded)
		VALUES ($1, 'space', $2, 0, 0, false)`, id.ID[:], id.Hash[:]); err != nil {
		t.Fatal(err)
	}
	named := make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), space, increment("n"), id)
		named <- err
	}()
	for i := range 50 {
		apply(t, s, put(fmt.Sprint(i), "1"))
		apply(t, s, increment("m"))
	}
	select {
	case err := <-named:
		t.Fatalf("the named write did not wait: %v", err)
	default:
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Apply(short, space, increment("n"), id); kv.CodeOf(err) != kv.CodeIdempotencyInProgress {
		t.Fatalf("a second one whose time ran out: %v", err)
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-named; err != nil {
		t.Fatal(err)
	}
	if res, err := s.Apply(t.Context(), space, increment("n"), id); err != nil || !res.Replayed || res.Number != 1 {
		t.Fatalf("again: %+v, %v", res, err)
	}
}

// TestTrapRedelivery redelivers deferred writes to two processes at once.
func TestTrapRedelivery(t *testing.T) {
	t.Parallel()
	url := testserver.PostgresURL(t)
	stores := []*postgres.Store{open(t, postgres.Options{URL: url}), open(t, postgres.Options{URL: url})}
	const writes = 40
	var wg sync.WaitGroup
	for range 2 {
		for _, s := range stores {
			wg.Go(func() {
				for i := range writes {
					id := kv.Identity{ID: kv.DeriveWriteID("test", space, strconv.Itoa(i)), Deferred: true}
					if _, err := s.Apply(t.Context(), space, increment("n"), id); err != nil {
						t.Errorf("write %d: %v", i, err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := get(t, stores[0], "n"); got != strconv.Itoa(writes) {
		t.Fatalf("n is %s", got)
	}
}
