package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var changeTests = []test{
	{"a namespace without writes has none", func(s *space) {
		page, err := s.Store.Changes(s.Context(), s.ns, kv.ChangeQuery{Limit: 10})
		if err != nil || len(page.Changes) != 0 || page.More {
			s.Fatalf("changes %+v, %v", page, err)
		}
	}},

	{"positions are dense, in commit order", func(s *space) {
		other := s.another()
		if head := s.head(); head != 0 {
			s.Fatalf("the head of an empty store is %d", head)
		}
		seen := map[kv.Position]bool{}
		for i := range 10 {
			s.put(fmt.Sprintf("k%d", i%3), "1")
			other.put("k", "1")
		}
		for _, in := range []*space{s, other} {
			last := kv.Position(0)
			for _, c := range in.changes(0) {
				if c.Position <= last || seen[c.Position] {
					s.Fatalf("position %d after %d", c.Position, last)
				}
				last, seen[c.Position] = c.Position, true
			}
		}
		for p := kv.Position(1); p <= s.head(); p++ {
			if !seen[p] {
				s.Fatalf("position %d of %d is nobody's", p, s.head())
			}
		}
		s.equal("changes", len(seen), 20)
	}},

	{"a change tells what happened", func(s *space) {
		put := s.put("a", "value", withType("text/plain"))
		number := s.must(incrementOp("n", 7))
		deleted := s.delete("a")
		restored := s.must(restoreOp("a", put.Version))
		want := []kv.Change{
			{Kind: kv.ChangePut, Key: "a", Version: put.Version, Value: []byte("value"), ContentType: "text/plain"},
			{Kind: kv.ChangePut, Key: "n", Version: number.Version, Value: []byte("7"), ContentType: number.Entry.ContentType},
			{Kind: kv.ChangeDelete, Key: "a", Version: deleted},
			{Kind: kv.ChangePut, Key: "a", Version: restored.Version, Value: []byte("value"), ContentType: "text/plain"},
		}
		for _, values := range []bool{true, false} {
			got := s.follow(kv.ChangeQuery{Limit: 100, Values: values})
			s.equal("changes", len(got), len(want))
			for i, w := range want {
				g := got[i]
				if !values {
					w.Value = nil
				}
				if g.Kind != w.Kind || g.Key != w.Key || g.Version != w.Version || string(g.Value) != string(w.Value) ||
					g.Value != nil != (w.Value != nil) || g.ContentType != w.ContentType || g.Truncated || g.At.IsZero() {
					s.Fatalf("with values %v: change %d is %+v, want %+v", values, i, g, w)
				}
			}
		}
	}},

	{"a large value is left out and marked", func(s *space) {
		s.put("fits", strings.Repeat("v", kv.MaxChangeValueBytes))
		s.put("large", strings.Repeat("v", kv.MaxChangeValueBytes+1))
		s.put("empty", "")
		got := s.changes(0)
		if len(got) != 3 || got[0].Truncated || len(got[0].Value) != kv.MaxChangeValueBytes ||
			!got[1].Truncated || got[1].Value != nil || got[2].Truncated || len(got[2].Value) != 0 {
			s.Fatalf("%d changes: %v %v %v", len(got), got[0].Truncated, got[1].Truncated, got[2].Truncated)
		}
	}},

	{"each change has its own value, also when a later one came", func(s *space) {
		for i := range 5 {
			s.put("k", fmt.Sprint(i))
		}
		for i, c := range s.changes(0) {
			s.equal("value", string(c.Value), fmt.Sprint(i))
		}
	}},

	{"reading on from any position misses nothing and repeats nothing", func(s *space) {
		other := s.another()
		for i := range 20 {
			s.put(fmt.Sprintf("k%d", i%4), fmt.Sprint(i))
			if i%3 == 0 {
				other.put("k", "1")
			}
			if i%5 == 4 {
				s.delete(fmt.Sprintf("k%d", i%4))
			}
		}
		all := s.changes(0)
		for _, limit := range []int{1, 2, 3, 100} {
			for after := range s.head() + 1 {
				want := all
				for len(want) > 0 && want[0].Position <= after {
					want = want[1:]
				}
				got := s.follow(kv.ChangeQuery{After: after, Limit: limit, Values: true})
				if len(got) != len(want) {
					s.Fatalf("after %d by %d: %d changes, want %d", after, limit, len(got), len(want))
				}
				for i := range got {
					s.equal("change", got[i], want[i])
				}
			}
		}
	}},

	{"a prefix leaves others out, and the next position moves past them", func(s *space) {
		for i := range 30 {
			s.put(fmt.Sprintf("noise/%d", i), "1")
		}
		first := s.put("dir/a", "1")
		s.put("dir", "1")
		s.put("dir0", "1")
		for i := range 30 {
			s.put(fmt.Sprintf("noise/%d", i), "2")
		}
		got := s.follow(kv.ChangeQuery{Prefix: "dir/", Limit: 5})
		if len(got) != 1 || got[0].Version != first.Version {
			s.Fatalf("changes %+v", got)
		}
		q := kv.ChangeQuery{Prefix: "dir/", Limit: 5}
		for {
			page, err := s.Store.Changes(s.Context(), s.ns, q)
			if err != nil {
				s.Fatal(err)
			}
			q.After = page.Next
			if !page.More {
				break
			}
		}
		if q.After < s.head() {
			s.Fatalf("the next position stays at %d of %d", q.After, s.head())
		}
		s.put("noise/x", "3")
		last := s.put("dir/b", "1")
		if got := s.follow(q); len(got) != 1 || got[0].Version != last.Version {
			s.Fatalf("changes %+v", got)
		}
	}},

	{"concurrent writes are logged in version order per key, transactions together", exerciseLogOrder},

	{"a position past retention has expired", func(s *space) {
		s.needClock()
		s.needMaintainer()
		other := s.another()
		other.put("k", "1")
		s.settings(kv.Namespace{Retention: time.Hour})
		s.put("k", "1")
		s.put("k", "2")
		old := s.head()
		s.Clock.Advance(2 * time.Hour)
		s.compactAll()
		recent := s.put("k", "3")
		if got := s.changes(old); len(got) != 1 || got[0].Version != recent.Version {
			s.Fatalf("after the last position that was removed: %+v", got)
		}
		for _, after := range []kv.Position{0, old - 1} {
			_, err := s.Store.Changes(s.Context(), s.ns, kv.ChangeQuery{After: after, Limit: 10})
			if !errors.Is(err, kv.ErrPositionExpired) {
				s.Fatalf("after %d: %v", after, err)
			}
			_, err = s.Store.Changes(s.Context(), s.ns, kv.ChangeQuery{After: after, Limit: 10, Prefix: "none"})
			s.wantCode(err, kv.CodePositionExpired, "with a prefix, after %d", after)
		}
		s.equal("another namespace's changes", len(other.changes(0)), 1)
		if page := s.list(kv.ListQuery{Limit: 10}); len(s.changes(page.Position)) != 0 {
			s.Fatal("a list's position is past retention")
		}
	}},

	{"an expired position stays expired after opening again", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.settings(kv.Namespace{Retention: time.Hour})
		s.put("k", "1")
		s.put("k", "2")
		s.Clock.Advance(2 * time.Hour)
		s.compactAll()
		s.reopen()
		_, err := s.Store.Changes(s.Context(), s.ns, kv.ChangeQuery{Limit: 10})
		s.wantCode(err, kv.CodePositionExpired, "after 0")
	}},

	{"positions go on after opening again", func(s *space) {
		s.put("k", "1")
		head := s.head()
		s.reopen()
		s.equal("head", s.head(), head)
		s.put("k", "2")
		if got := s.changes(head); len(got) != 1 || got[0].Position != head+1 {
			s.Fatalf("changes %+v after %d", got, head)
		}
	}},

	{"a wait ends at once when there is a change", func(s *space) {
		s.put("k", "1")
		s.await(0)
	}},

	{"a wait ends with a change", func(s *space) {
		for name, write := range map[string]func(){
			"put":       func() { s.put("k", "1") },
			"delete":    func() { s.delete("k") },
			"increment": func() { s.must(incrementOp("n", 1)) },
			"batch":     func() { s.batch(putOp("k", "2")) },
			"txn":       func() { s.txn(kv.Txn{Success: []kv.Operation{deleteOp("k")}}) },
		} {
			after := s.head()
			var waiters sync.WaitGroup
			for range 4 {
				waiters.Go(func() {
					if err := s.awaitChange(after); err != nil {
						s.Errorf("%s: %v", name, err)
					}
				})
			}
			if name == "delete" || name == "txn" {
				s.put("k", "0")
			}
			write()
			waiters.Wait()
			if s.Failed() {
				return
			}
		}
	}},

	{"a wait ends with a sweep", func(s *space) {
		s.needMaintainer()
		s.lapsed("k")
		after := s.head()
		done := make(chan error, 1)
		go func() { done <- s.awaitChange(after) }()
		s.sweepAll()
		if err := <-done; err != nil {
			s.Fatal(err)
		}
	}},

	{"a wait ends with its context", func(s *space) {
		s.put("k", "1")
		after := s.head()
		ctx, cancel := context.WithCancel(s.Context())
		done := make(chan error, 1)
		go func() {
			for {
				if err := s.Store.Await(ctx, s.ns, after); err != nil {
					done <- err
					return
				}
			}
		}()
		cancel()
		select {
		case err := <-done:
			s.cancelled("await", err)
		case <-time.After(patience):
			s.Fatal("the wait goes on")
		}
	}},

	{"a follower sees every change once, while they happen", func(s *space) {
		const writers, each = 4, 50
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		defer cancel()
		var wg sync.WaitGroup
		defer wg.Wait()
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					if _, err := s.apply(putOp(fmt.Sprintf("k%d", (w+i)%5), "1")); err != nil {
						s.Errorf("put: %v", err)
						cancel()
						return
					}
				}
			})
		}
		seen, last := 0, kv.Position(0)
		for q := (kv.ChangeQuery{Limit: 7}); seen < writers*each; {
			if err := s.Store.Await(ctx, s.ns, q.After); err != nil {
				s.Fatalf("after %d changes: %v", seen, err)
			}
			page, err := s.Store.Changes(ctx, s.ns, q)
			if err != nil {
				s.Fatal(err)
			}
			for _, c := range page.Changes {
				if c.Position != last+1 {
					s.Fatalf("position %d after %d", c.Position, last)
				}
				last = c.Position
				seen++
			}
			q.After = page.Next
		}
		s.equal("head", s.head(), last)
	}},
}

// await waits for a change after a position.
func (s *space) await(after kv.Position) {
	s.Helper()
	if err := s.awaitChange(after); err != nil {
		s.Fatal(err)
	}
}

func (s *space) awaitChange(after kv.Position) error {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	for {
		if err := s.Store.Await(ctx, s.ns, after); err != nil {
			return fmt.Errorf("wait after %d: %w", after, err)
		}
		page, err := s.Store.Changes(ctx, s.ns, kv.ChangeQuery{After: after, Limit: 1})
		if err != nil || len(page.Changes) > 0 {
			return err
		}
	}
}

func exerciseLogOrder(s *space) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	written := map[string]kv.Version{} // key and version of every write
	txns := [][]kv.Result{}
	note := func(results ...kv.Result) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range results {
			written[fmt.Sprintf("%s %d", r.Key, r.Version)] = r.Version
		}
	}
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				if w%2 == 0 {
					res, err := s.apply(putOp(fmt.Sprintf("k%d", i%3), "1"))
					if err != nil {
						s.Errorf("put: %v", err)
						return
					}
					note(res)
					continue
				}
				ops := []kv.Operation{putOp("k0", "t"), putOp("k1", "t"), incrementOp("n", 1)}
				res, err := s.Store.Txn(s.Context(), s.ns, kv.Txn{Success: ops}, kv.Identity{})
				if err != nil {
					s.Errorf("txn: %v", err)
					return
				}
				note(res.Results...)
				mu.Lock()
				txns = append(txns, res.Results)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	changes := s.changes(0)
	s.equal("changes", len(changes), len(written))
	last, at := map[string]kv.Version{}, map[string]kv.Position{}
	for _, c := range changes {
		if c.Version <= last[c.Key] {
			s.Fatalf("%s: version %d after %d", c.Key, c.Version, last[c.Key])
		}
		last[c.Key] = c.Version
		id := fmt.Sprintf("%s %d", c.Key, c.Version)
		if _, ok := written[id]; !ok {
			s.Fatalf("nobody wrote %s", id)
		}
		at[id] = c.Position
	}
	for _, results := range txns {
		first := at[fmt.Sprintf("%s %d", results[0].Key, results[0].Version)]
		for i, r := range results {
			if p := at[fmt.Sprintf("%s %d", r.Key, r.Version)]; p != first+kv.Position(i) {
				s.Fatalf("row %d of a transaction is at %d, its first at %d", i, p, first)
			}
		}
	}
}
