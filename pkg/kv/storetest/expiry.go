package storetest

import (
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var expiryTests = []test{
	{"an entry is there 1 ms before its deadline and absent at it", func(s *space) {
		s.needClock()
		for _, ttl := range []time.Duration{kv.MinTTL, 2 * time.Millisecond, 1500 * time.Millisecond, time.Hour, kv.MaxTTL} {
			s.put("k", "value", withTTL(ttl))
			e := s.get("k")
			if off := e.ExpiresAt.Sub(s.Clock.Now().Add(ttl)).Abs(); off >= time.Millisecond {
				s.Fatalf("TTL %s: the deadline is off by %s", ttl, off)
			}
			s.Clock.Advance(ttl - time.Millisecond)
			if e := s.get("k"); e.TTLLeft <= 0 || e.TTLLeft > time.Millisecond {
				s.Fatalf("TTL %s: 1 ms before its deadline there is %s left", ttl, e.TTLLeft)
			}
			s.equal("keys", s.keys(""), []string{"k"})
			s.Clock.Advance(time.Millisecond)
			s.absent("k")
			s.equal("keys", s.keys(""), []string{})
		}
	}},

	{"the time left counts down", func(s *space) {
		s.needClock()
		s.put("k", "value", withTTL(time.Minute))
		for left := time.Minute; left > 0; left -= 10 * time.Second {
			for _, c := range []kv.Consistency{kv.Strong, kv.Shared} {
				e, err := s.Store.Get(s.Context(), s.ns, "k", kv.ReadOptions{Consistency: c})
				if err != nil || (e.TTLLeft-left).Abs() >= time.Millisecond {
					s.Fatalf("consistency %d: %s left, want %s; %v", c, e.TTLLeft, left, err)
				}
			}
			s.Clock.Advance(10 * time.Second)
		}
		s.absent("k")
	}},

	{"an expired entry is absent for every read", func(s *space) {
		s.put("dir/k", "value", withTTL(s.shortly()))
		s.get("dir/k")
		s.lapse("dir/k", s.shortly())
		s.absent("dir/k")
		_, err := s.apply(getOp("dir/k"))
		s.wantCode(err, kv.CodeNotFound, "get as an operation")
		s.equal("keys", s.keys(""), []string{})
		page := s.list(kv.ListQuery{Delimiter: "/", Limit: 10, Values: true})
		if len(page.Entries)+len(page.Prefixes) != 0 {
			s.Fatalf("listed %v %v", page.Entries, page.Prefixes)
		}
		if res := s.batch(getOp("dir/k"))[0]; kv.CodeOf(res.Err) != kv.CodeNotFound {
			s.Fatalf("get in a batch: %+v", res)
		}
		res := s.txn(kv.Txn{Success: []kv.Operation{getOp("dir/k")}})
		if kv.CodeOf(res.Results[0].Err) != kv.CodeNotFound {
			s.Fatalf("get in a transaction: %+v", res.Results)
		}
	}},

	{"an expired entry is absent for every condition", func(s *space) {
		was := s.lapsed("exists", "version", "delete", "versioned delete", "absent", "zero")
		s.refused(putOp("exists", "2", onlyIf(ifExists)), kv.CodeVersionMismatch)
		s.refused(putOp("version", "2", onlyIf(ifVersion(was["version"]))), kv.CodeVersionMismatch)
		s.refused(deleteOp("delete"), kv.CodeNotFound)
		s.refused(deleteOp("versioned delete", onlyIf(ifVersion(was["versioned delete"]))), kv.CodeVersionMismatch)
		for key, condition := range map[string]kv.Condition{"absent": ifAbsent, "zero": ifVersion(0)} {
			if res := s.put(key, "2", onlyIf(condition)); !res.Created || res.Version <= was[key] {
				s.Fatalf("%s: %+v", key, res)
			}
		}
	}},

	{"an expired entry is absent for every compare", func(s *space) {
		was := s.lapsed("k")["k"]
		for _, tt := range []struct {
			compare kv.Compare
			holds   bool
		}{
			{kv.Compare{Target: kv.TargetExists, Is: kv.RelationEqual, Exists: true}, false},
			{kv.Compare{Target: kv.TargetExists, Is: kv.RelationEqual, Exists: false}, true},
			{kv.Compare{Target: kv.TargetVersion, Is: kv.RelationEqual, Version: was}, false},
			{kv.Compare{Target: kv.TargetVersion, Is: kv.RelationEqual, Version: 0}, true},
			{kv.Compare{Target: kv.TargetValue, Is: kv.RelationEqual, Value: []byte("1")}, false},
			{kv.Compare{Target: kv.TargetValue, Is: kv.RelationNotEqual, Value: []byte("1")}, true},
		} {
			tt.compare.Key = "k"
			if res := s.txn(kv.Txn{Compare: []kv.Compare{tt.compare}}); res.Succeeded != tt.holds {
				s.Fatalf("%+v holds: %v", tt.compare, res.Succeeded)
			}
		}
	}},

	{"an increment of an expired entry starts anew", func(s *space) {
		s.must(putOp("n", "41", withTTL(s.shortly()), withMeta(map[string]string{"a": "b"})))
		s.lapse("n", s.shortly())
		res := s.must(incrementOp("n", 1))
		if res.Number != 1 || !res.Created {
			s.Fatalf("answered %+v", res)
		}
		if e := s.get("n"); string(e.Value) != "1" || !e.ExpiresAt.IsZero() || len(e.Meta) != 0 {
			s.Fatalf("read %s", brief(e))
		}
	}},

	{"a transaction cannot delete an expired entry", func(s *space) {
		s.lapsed("k")
		_, err := s.Store.Txn(s.Context(), s.ns, kv.Txn{Success: []kv.Operation{deleteOp("k")}}, kv.Identity{})
		s.wantCode(err, kv.CodeNotFound, "delete in a transaction")
	}},

	{"a write over an expired entry logs expire, then put", func(s *space) {
		was := s.lapsed("put", "increment", "restore", "batch", "txn")
		after := s.head()
		written := map[string]kv.Version{
			"put":       s.put("put", "2").Version,
			"increment": s.must(incrementOp("increment", 1)).Version,
			"restore":   s.must(restoreOp("restore", was["restore"])).Version,
			"batch":     s.batch(putOp("batch", "2"))[0].Version,
			"txn":       s.txn(kv.Txn{Success: []kv.Operation{putOp("txn", "2")}}).Results[0].Version,
		}
		rows := map[string][]kv.Change{}
		for _, c := range s.changes(after) {
			rows[c.Key] = append(rows[c.Key], c)
		}
		for key, version := range written {
			r := rows[key]
			if len(r) != 2 || r[0].Kind != kv.ChangeExpire || r[1].Kind != kv.ChangePut ||
				r[0].Version <= was[key] || r[1].Version <= r[0].Version || r[1].Version != version {
				s.Fatalf("%s over version %d: %+v, written %d", key, was[key], r, version)
			}
		}
	}},

	{"a put without a TTL lifts it, and one with another replaces it", func(s *space) {
		s.needClock()
		s.put("lifted", "1", withTTL(time.Minute))
		s.put("lifted", "2")
		s.put("longer", "1", withTTL(time.Minute))
		s.put("longer", "2", withTTL(time.Hour))
		s.put("shorter", "1", withTTL(time.Hour))
		s.put("shorter", "2", withTTL(time.Minute))
		s.Clock.Advance(2 * time.Minute)
		s.equal("keys", s.keys(""), []string{"lifted", "longer"})
		if e := s.get("lifted"); !e.ExpiresAt.IsZero() || e.TTLLeft != 0 {
			s.Fatalf("read %s", brief(e))
		}
		s.absent("shorter")
	}},

	{"a sweep turns what has expired into changes, once", func(s *space) {
		s.needMaintainer()
		was := s.lapsed("a", "b", "c")
		s.put("stays", "1", withTTL(24*time.Hour))
		s.put("forever", "1")
		after := s.head()
		s.equal("swept", s.sweepAll(), 3)
		changes := s.changes(after)
		s.equal("changes", len(changes), 3)
		for _, c := range changes {
			if c.Kind != kv.ChangeExpire || c.Version <= was[c.Key] || c.Value != nil {
				s.Fatalf("version %d was swept as %+v", was[c.Key], c)
			}
			if v := s.absent(c.Key); v != c.Version {
				s.Fatalf("%s has version %d, swept at %d", c.Key, v, c.Version)
			}
		}
		s.equal("swept again", s.sweepAll(), 0)
		s.equal("keys", s.keys(""), []string{"forever", "stays"})
	}},

	{"a sweep does no more than it is asked for", func(s *space) {
		s.needMaintainer()
		s.lapsed("a", "b", "c", "d", "e")
		after, total := s.head(), 0
		for _, want := range []int{2, 2, 1, 0} {
			n, err := s.Maintainer.Sweep(s.Context(), 2)
			if err != nil || n != want {
				s.Fatalf("swept %d, %v; want %d", n, err, want)
			}
			total += n
			s.equal("changes so far", len(s.changes(after)), total)
		}
	}},

	{"a sweep leaves what was written since", func(s *space) {
		s.needClock()
		s.needMaintainer()
		for _, key := range []string{"lifted", "longer", "deleted", "again"} {
			s.put(key, "1", withTTL(time.Minute))
		}
		s.put("lifted", "2")
		s.put("longer", "2", withTTL(time.Hour))
		s.delete("deleted")
		s.Clock.Advance(2 * time.Minute)
		s.put("again", "2")
		after := s.head()
		s.equal("swept", s.sweepAll(), 0)
		s.equal("changes", len(s.changes(after)), 0)
		s.equal("keys", s.keys(""), []string{"again", "lifted", "longer"})
	}},

	{"a sweep takes nothing that is written meanwhile", func(s *space) {
		s.needMaintainer()
		keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for range 80 {
			s.lapsed(keys...)
			var wg sync.WaitGroup
			together := make(chan struct{})
			for _, key := range keys {
				wg.Go(func() {
					<-together
					if _, err := s.apply(putOp(key, "2")); err != nil {
						s.Errorf("put: %v", err)
					}
				})
			}
			wg.Go(func() {
				<-together
				if _, err := s.Maintainer.Sweep(s.Context(), 100); err != nil {
					s.Errorf("sweep: %v", err)
				}
			})
			close(together)
			wg.Wait()
			s.equal("keys", s.keys(""), keys)
			s.equal("usage", s.namespace().Keys, int64(len(keys)))
		}
	}},

	{"deadlines outlive opening again", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.put("k", "1", withTTL(time.Minute))
		s.reopen()
		s.Clock.Advance(time.Minute - time.Millisecond)
		s.get("k")
		s.Clock.Advance(time.Millisecond)
		s.absent("k")
		s.equal("swept", s.sweepAll(), 1)
	}},
}

// lapsed writes keys with a TTL, lets it run out, and gives their versions.
func (s *space) lapsed(keys ...string) map[string]kv.Version {
	s.Helper()
	ttl := s.shortly()
	versions := map[string]kv.Version{}
	for _, key := range keys {
		versions[key] = s.put(key, "1", withTTL(ttl)).Version
	}
	s.lapse(keys[len(keys)-1], ttl)
	return versions
}
