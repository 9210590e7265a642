package storetest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/trivetkv/trivet/pkg/kv"
)

var txnTests = []test{
	{"compares by target, relation and state", exerciseCompares},

	{"all compares have to hold", func(s *space) {
		s.put("a", "1")
		s.put("b", "2")
		a := kv.Compare{Key: "a", Target: kv.TargetValue, Is: kv.RelationEqual, Value: []byte("1")}
		b := kv.Compare{Key: "b", Target: kv.TargetValue, Is: kv.RelationEqual, Value: []byte("2")}
		wrong := kv.Compare{Key: "b", Target: kv.TargetExists, Is: kv.RelationEqual}
		for _, tt := range []struct {
			compare []kv.Compare
			holds   bool
		}{
			{nil, true},
			{[]kv.Compare{a}, true},
			{[]kv.Compare{a, b}, true},
			{[]kv.Compare{a, b, wrong}, false},
			{[]kv.Compare{wrong, a, b}, false},
		} {
			res := s.txn(kv.Txn{Compare: tt.compare, Success: []kv.Operation{putOp("yes", "1")}, Failure: []kv.Operation{putOp("no", "1"), getOp("a")}})
			want := 1
			if !tt.holds {
				want = 2
			}
			if res.Succeeded != tt.holds || len(res.Results) != want || res.Replayed {
				s.Fatalf("%d compares: %+v", len(tt.compare), res)
			}
		}
	}},

	{"only the branch that was chosen is run", func(s *space) {
		exists := []kv.Compare{{Key: "k", Target: kv.TargetExists, Is: kv.RelationEqual, Exists: true}}
		s.txn(kv.Txn{Compare: exists, Success: []kv.Operation{putOp("yes", "1")}, Failure: []kv.Operation{putOp("k", "1")}})
		s.absent("yes")
		s.get("k")
		s.txn(kv.Txn{Compare: exists, Success: []kv.Operation{deleteOp("k")}, Failure: []kv.Operation{putOp("no", "1")}})
		s.absent("no")
		s.absent("k")
	}},

	{"an empty branch does nothing", func(s *space) {
		head := s.head()
		res := s.txn(kv.Txn{Failure: []kv.Operation{putOp("k", "1")}})
		if !res.Succeeded || len(res.Results) != 0 || s.head() != head {
			s.Fatalf("answered %+v", res)
		}
	}},

	{"operations see those before them", func(s *space) {
		s.put("n", "1")
		s.put("gone", "1")
		results := s.txn(kv.Txn{Success: []kv.Operation{
			getOp("n"), incrementOp("n", 4), getOp("n"),
			getOp("new"), putOp("new", "v"), getOp("new"),
			deleteOp("gone"), getOp("gone"),
		}}).Results
		for i, want := range map[int]string{0: "1", 2: "5", 5: "v"} {
			if e := results[i].Entry; e == nil || string(e.Value) != want || e.Version != results[i].Version {
				s.Fatalf("operation %d: %+v", i, results[i])
			}
		}
		for _, i := range []int{3, 7} {
			if r := results[i]; codeOf(r.Err) != kv.CodeNotFound || r.Entry != nil || r.Key == "" {
				s.Fatalf("operation %d: %+v", i, r)
			}
		}
		if results[2].Version != results[1].Version || results[5].Version != results[4].Version {
			s.Fatalf("versions read are not those written: %+v", results)
		}
		s.equal("number", results[1].Number, int64(5))
		if !results[4].Created {
			s.Fatalf("the put answered %+v", results[4])
		}
	}},

	{"128 compares and 128 operations", func(s *space) {
		var txn kv.Txn
		for i := range kv.MaxTxnOperations {
			key := fmt.Sprintf("key %03d", i)
			txn.Compare = append(txn.Compare, kv.Compare{Key: key, Target: kv.TargetVersion, Is: kv.RelationEqual})
			txn.Success = append(txn.Success, putOp(key, "value"))
			txn.Failure = append(txn.Failure, deleteOp(key))
		}
		if err := txn.Check(); err != nil {
			s.Fatal(err)
		}
		for round := range 4 {
			after := s.head()
			res := s.txn(txn)
			if res.Succeeded != (round%2 == 0) || len(res.Results) != kv.MaxTxnOperations {
				s.Fatalf("round %d: succeeded %v, %d results", round, res.Succeeded, len(res.Results))
			}
			changes := s.changes(after)
			s.equal("changes", len(changes), kv.MaxTxnOperations)
			for i, c := range changes {
				if c.Key != res.Results[i].Key || c.Version != res.Results[i].Version {
					s.Fatalf("round %d: change %d is %+v, its result %+v", round, i, c, res.Results[i])
				}
			}
		}
		s.equal("keys", s.keys(""), []string{})
	}},

	{"an operation that fails aborts all and is named", func(s *space) {
		s.put("text", "x")
		s.put("kept", "1")
		s.put("max", "9223372036854775807")
		s.lapsed("expired")
		before, head, usage := s.get("kept"), s.head(), s.namespace()
		for name, tt := range map[string]struct {
			op   kv.Operation
			code kv.Code
		}{
			"a value that is no number":  {incrementOp("text", 1), kv.CodeConflict},
			"a sum that does not fit":    {incrementOp("max", 1), kv.CodeConflict},
			"a delete of an absent key":  {deleteOp("absent"), kv.CodeNotFound},
			"a delete of an expired key": {deleteOp("expired"), kv.CodeNotFound},
		} {
			branch := []kv.Operation{putOp("new", "1"), deleteOp("kept"), incrementOp("n", 1), tt.op, putOp("later", "1")}
			never := []kv.Compare{{Key: "nobody", Target: kv.TargetExists, Is: kv.RelationEqual, Exists: true}}
			for field, txn := range map[string]kv.Txn{"success[3]": {Success: branch}, "failure[3]": {Compare: never, Failure: branch}} {
				_, err := s.Store.Txn(s.Context(), s.ns, txn, kv.Identity{})
				s.wantCode(err, tt.code, "%s", name)
				if e := kv.AsError(err); !strings.HasPrefix(e.Field, field) {
					s.Fatalf("%s: the error names %q, want %q", name, e.Field, field)
				}
			}
			if after := s.get("kept"); !same(before, after) {
				s.Fatalf("%s: read %s, before %s", name, brief(after), brief(before))
			}
			for _, key := range []string{"new", "n", "later"} {
				s.absent(key)
			}
			s.equal("head", s.head(), head)
			s.equal("usage", s.namespace(), usage)
		}
	}},

	{"values that are read together are bounded", func(s *space) {
		large := string(make([]byte, 6<<20))
		s.put("a", large)
		s.put("b", large)
		head := s.head()
		holds := kv.Compare{Key: "a", Target: kv.TargetValue, Is: kv.RelationNotEqual, Value: []byte("x")}
		exists := kv.Compare{Key: "b", Target: kv.TargetExists, Is: kv.RelationEqual, Exists: true}
		never := kv.Compare{Key: "b", Target: kv.TargetVersion, Is: kv.RelationEqual}
		for name, tt := range map[string]struct {
			txn   kv.Txn
			field string
		}{
			"gets":                  {kv.Txn{Success: []kv.Operation{putOp("new", "1"), getOp("a"), getOp("b"), getOp("a")}}, "success[3]"},
			"gets of one key":       {kv.Txn{Compare: []kv.Compare{never}, Failure: []kv.Operation{getOp("a"), getOp("a"), getOp("a")}}, "failure[2]"},
			"compares of values":    {kv.Txn{Compare: []kv.Compare{holds, holds, exists, holds}, Success: []kv.Operation{putOp("new", "1")}}, "compare[3]"},
			"compares and then get": {kv.Txn{Compare: []kv.Compare{holds, holds}, Success: []kv.Operation{getOp("absent"), getOp("b")}}, "success[1]"},
		} {
			_, err := s.Store.Txn(s.Context(), s.ns, tt.txn, kv.Identity{})
			s.wantCode(err, kv.CodeTooLarge, "%s", name)
			s.equal(name+": field", kv.AsError(err).Field, tt.field)
		}
		s.absent("new")
		s.equal("head", s.head(), head)
		for range 2 { // a later transaction has a budget of its own
			s.txn(kv.Txn{Compare: []kv.Compare{holds, exists}, Success: []kv.Operation{putOp("c", "1"), getOp("b"), getOp("c")}})
		}
	}},

	{"a write that is refused after an expiry was logged takes that back too", func(s *space) {
		s.put("text", "x")
		s.lapsed("expired")
		head, usage := s.head(), s.namespace()
		_, err := s.Store.Txn(s.Context(), s.ns, kv.Txn{Success: []kv.Operation{putOp("expired", "2"), incrementOp("text", 1)}}, kv.Identity{})
		s.wantCode(err, kv.CodeConflict, "increment of a text")
		s.equal("head", s.head(), head)
		s.equal("usage", s.namespace(), usage)
		s.absent("expired")
	}},

	{"others see all of a transaction or nothing", func(s *space) {
		const rounds = 60
		s.txn(kv.Txn{Success: []kv.Operation{putOp("a", "0"), putOp("b", "0")}})
		var writers, readers sync.WaitGroup
		stop := make(chan struct{})
		for w := range 2 {
			writers.Go(func() {
				for i := range rounds {
					v := fmt.Sprintf("%d of writer %d", i, w)
					_, err := s.Store.Txn(s.Context(), s.ns, kv.Txn{Success: []kv.Operation{putOp("a", v), putOp("b", v)}}, kv.Identity{})
					if err != nil {
						s.Errorf("write: %v", err)
						return
					}
				}
			})
		}
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := s.Store.Txn(s.Context(), s.ns, kv.Txn{Success: []kv.Operation{getOp("a"), getOp("b")}}, kv.Identity{})
				if err != nil {
					s.Errorf("read: %v", err)
					return
				}
				if a, b := res.Results[0].Entry, res.Results[1].Entry; string(a.Value) != string(b.Value) {
					s.Errorf("half a transaction: %s and %s", a.Value, b.Value)
					return
				}
			}
		})
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				page, err := s.Store.List(s.Context(), s.ns, kv.ListQuery{Limit: 10, Values: true})
				if err != nil {
					s.Errorf("list: %v", err)
					return
				}
				if len(page.Entries) != 2 || string(page.Entries[0].Value) != string(page.Entries[1].Value) {
					s.Errorf("half a transaction in a page of %d", len(page.Entries))
					return
				}
			}
		})
		writers.Wait()
		close(stop)
		readers.Wait()
	}},

	{"concurrent transfers keep the sum", func(s *space) {
		s.put("a", "1000")
		s.put("b", "1000")
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				from, to := "a", "b"
				if w%2 == 0 {
					from, to = to, from
				}
				for i := range int64(25) {
					txn := kv.Txn{Success: []kv.Operation{incrementOp(from, -i), incrementOp(to, i)}}
					if _, err := s.Store.Txn(s.Context(), s.ns, txn, kv.Identity{}); err != nil {
						s.Errorf("transfer: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		res := s.txn(kv.Txn{Success: []kv.Operation{incrementOp("a", 0), incrementOp("b", 0)}})
		s.equal("sum", res.Results[0].Number+res.Results[1].Number, int64(2000))
	}},
}

// exerciseCompares holds every target and relation against keys that are
// absent, older, equal and newer than the operand.
func exerciseCompares(s *space) {
	version := s.put("present", "m").Version
	s.put("deleted", "m")
	s.delete("deleted")
	s.put("empty", "")

	check := func(c kv.Compare, want bool) {
		s.Helper()
		if err := (kv.Txn{Compare: []kv.Compare{c}}).Check(); err != nil {
			s.Fatal(err)
		}
		if res := s.txn(kv.Txn{Compare: []kv.Compare{c}}); res.Succeeded != want {
			s.Fatalf("%+v holds: %v, want %v", c, res.Succeeded, want)
		}
	}
	relations := []kv.Relation{kv.RelationEqual, kv.RelationNotEqual, kv.RelationGreater, kv.RelationLess}

	for _, tt := range []struct {
		key     string
		operand kv.Version
		want    [4]bool // eq, ne, gt, lt
	}{
		{"present", version, [4]bool{true, false, false, false}},
		{"present", version - 1, [4]bool{false, true, true, false}},
		{"present", version + 1, [4]bool{false, true, false, true}},
		{"present", 0, [4]bool{false, true, true, false}},
		{"absent", 0, [4]bool{true, false, false, false}},
		{"absent", 1, [4]bool{false, true, false, true}},
		{"deleted", 0, [4]bool{true, false, false, false}},
	} {
		for i, relation := range relations {
			check(kv.Compare{Key: tt.key, Target: kv.TargetVersion, Is: relation, Version: tt.operand}, tt.want[i])
		}
	}

	for _, tt := range []struct {
		key, operand string
		want         [4]bool
	}{
		{"present", "m", [4]bool{true, false, false, false}},
		{"present", "l", [4]bool{false, true, true, false}},
		{"present", "n", [4]bool{false, true, false, true}},
		{"present", "", [4]bool{false, true, true, false}},
		{"present", "m\x00", [4]bool{false, true, false, true}},
		{"present", "\xff", [4]bool{false, true, false, true}},
		{"empty", "", [4]bool{true, false, false, false}},
		{"empty", "a", [4]bool{false, true, false, true}},
		{"absent", "m", [4]bool{false, true, false, false}},
		{"absent", "", [4]bool{false, true, false, false}},
		{"deleted", "m", [4]bool{false, true, false, false}},
	} {
		for i, relation := range relations {
			check(kv.Compare{Key: tt.key, Target: kv.TargetValue, Is: relation, Value: []byte(tt.operand)}, tt.want[i])
		}
	}

	for key, exists := range map[string]bool{"present": true, "empty": true, "absent": false, "deleted": false} {
		for _, operand := range []bool{true, false} {
			check(kv.Compare{Key: key, Target: kv.TargetExists, Is: kv.RelationEqual, Exists: operand}, exists == operand)
			check(kv.Compare{Key: key, Target: kv.TargetExists, Is: kv.RelationNotEqual, Exists: operand}, exists != operand)
		}
	}
}
