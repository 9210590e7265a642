package storetest

import (
	"fmt"

	"github.com/trivetkv/trivet/pkg/kv"
)

var writeTests = []test{
	{"a put creates, the next one replaces", func(s *space) {
		first, second := s.put("k", "1"), s.put("k", "2")
		if !first.Created || second.Created || second.Version <= first.Version || first.Version <= 0 {
			s.Fatalf("first %+v, second %+v", first, second)
		}
		if e := s.get("k"); e.Version != second.Version || string(e.Value) != "2" {
			s.Fatalf("read %s", brief(e))
		}
	}},

	{"a write answers the entry that it wrote", func(s *space) {
		for _, op := range []kv.Operation{
			putOp("k", "41", withType("text/plain"), withMeta(map[string]string{"a": "b"})),
			incrementOp("k", 1),
			putOp("k", "2"),
			putOp("ttl", "v", withTTL(s.shortly())),
		} {
			res := s.must(op)
			if res.Entry == nil || res.Entry.Version != res.Version || res.Entry.Key != op.Key {
				s.Fatalf("%s answered %+v", op.Kind, res)
			}
			read, err := s.Store.Get(s.Context(), s.ns, op.Key, kv.ReadOptions{Consistency: kv.Strong})
			if err != nil || !same(*res.Entry, read) {
				s.Fatalf("%s answered %s, read %s, %v", op.Kind, brief(*res.Entry), brief(read), err)
			}
			if op.TTL != 0 && (res.Entry.TTLLeft <= 0 || res.Entry.TTLLeft > op.TTL) {
				s.Fatalf("of a TTL of %s there is %s left", op.TTL, res.Entry.TTLLeft)
			}
		}
	}},

	{"replacing keeps when the key was created", func(s *space) {
		s.needClock()
		s.put("k", "1")
		created := s.get("k").CreatedAt
		s.Clock.Advance(5_000_000_000)
		s.put("k", "2")
		if e := s.get("k"); !e.CreatedAt.Equal(created) || e.UpdatedAt.Sub(created).Seconds() != 5 {
			s.Fatalf("read %s", brief(e))
		}
		s.delete("k")
		s.put("k", "3")
		if e := s.get("k"); !e.CreatedAt.Equal(e.UpdatedAt) {
			s.Fatalf("after a delete: %s", brief(e))
		}
	}},

	{"a delete leaves nothing but its version", func(s *space) {
		v := s.put("k", "1").Version
		deleted := s.delete("k")
		if deleted <= v {
			s.Fatalf("deleted at version %d, written at %d", deleted, v)
		}
		if at := s.absent("k"); at != deleted && at != 0 {
			s.Fatalf("the absent key has version %d, deleted at %d", at, deleted)
		}
		s.equal("keys", s.keys(""), []string{})
		s.refused(deleteOp("k"), kv.CodeNotFound)
		s.refused(deleteOp("never"), kv.CodeNotFound)
	}},

	{"a key that is created again is new", func(s *space) {
		s.put("k", "1", withMeta(map[string]string{"a": "b"}))
		deleted := s.delete("k")
		res := s.put("k", "2")
		if !res.Created || res.Version <= deleted {
			s.Fatalf("deleted at %d, created again: %+v", deleted, res)
		}
		if e := s.get("k"); len(e.Meta) != 0 || string(e.Value) != "2" {
			s.Fatalf("read %s", brief(e))
		}
	}},

	{"conditions of every write", exerciseConditions},

	{"a refused write changes nothing", func(s *space) {
		s.put("k", "1")
		before, head := s.get("k"), s.head()
		s.refused(putOp("k", "2", onlyIf(ifAbsent)), kv.CodeAlreadyExists)
		s.refused(deleteOp("k", onlyIf(ifVersion(before.Version+1))), kv.CodeVersionMismatch)
		s.refused(incrementOp("other", 1, onlyIf(ifExists)), kv.CodeVersionMismatch)
		if after := s.get("k"); !same(before, after) {
			s.Fatalf("read %s, before %s", brief(after), brief(before))
		}
		s.absent("other")
		s.equal("head", s.head(), head)
	}},

	{"compare-and-set against a version that was", func(s *space) {
		first := s.put("k", "1").Version
		second := s.put("k", "2", onlyIf(ifVersion(first))).Version
		s.refused(putOp("k", "3", onlyIf(ifVersion(first))), kv.CodeVersionMismatch)
		s.delete("k")
		s.refused(putOp("k", "3", onlyIf(ifVersion(second))), kv.CodeVersionMismatch)
		s.put("k", "3", onlyIf(ifVersion(second, 0)))
	}},
}

// exerciseConditions holds every condition against a present and an absent key
// for every kind of write.
func exerciseConditions(s *space) {
	n := 0
	for _, present := range []bool{true, false} {
		for _, write := range []struct {
			name    string
			op      func(key string, was kv.Version, o option) kv.Operation
			missing kv.Code // of an absent key whose condition holds
		}{
			{"put", func(key string, _ kv.Version, o option) kv.Operation { return putOp(key, "2", o) }, ""},
			{"delete", func(key string, _ kv.Version, o option) kv.Operation { return deleteOp(key, o) }, kv.CodeNotFound},
			{"increment", func(key string, _ kv.Version, o option) kv.Operation { return incrementOp(key, 1, o) }, ""},
			{"restore", func(key string, was kv.Version, o option) kv.Operation { return restoreOp(key, was, o) }, ""},
		} {
			for _, condition := range []struct {
				name   string
				If     func(current kv.Version) kv.Condition
				holds  bool // of a present key
				absent bool // of an absent one
				code   kv.Code
			}{
				{"any", func(kv.Version) kv.Condition { return kv.Condition{} }, true, true, ""},
				{"absent", func(kv.Version) kv.Condition { return ifAbsent }, false, true, kv.CodeAlreadyExists},
				{"exists", func(kv.Version) kv.Condition { return ifExists }, true, false, kv.CodeVersionMismatch},
				{"its version", func(v kv.Version) kv.Condition { return ifVersion(v) }, true, true, ""},
				{"one of several", func(v kv.Version) kv.Condition { return ifVersion(v+7, v, v+9) }, true, true, ""},
				{"another version", func(v kv.Version) kv.Condition { return ifVersion(v + 1) }, false, false, kv.CodeVersionMismatch},
				{"version 0", func(kv.Version) kv.Condition { return ifVersion(0) }, false, true, kv.CodeVersionMismatch},
				{"no version", func(kv.Version) kv.Condition { return kv.Condition{Versions: []kv.Version{}} }, false, false, kv.CodeVersionMismatch},
			} {
				n++
				key := fmt.Sprintf("%s %s %v %d", write.name, condition.name, present, n)
				was := s.put(key, "1").Version
				current := was
				if !present {
					s.delete(key)
					current = 0
				}
				holds := present && condition.holds || !present && condition.absent
				op := write.op(key, was, onlyIf(condition.If(current)))
				switch {
				case !holds:
					s.refused(op, condition.code)
				case !present && write.missing != "":
					s.refused(op, write.missing)
				default:
					if res := s.must(op); write.name != "delete" && res.Created == present {
						s.Fatalf("%s: answered %+v", key, res)
					}
				}
			}
		}
	}
}
