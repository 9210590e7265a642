package storetest

import (
	"fmt"

	"github.com/trivetkv/trivet/pkg/kv"
)

var batchTests = []test{
	{"each operation answers as it would alone", func(s *space) {
		present := s.put("present", "1").Version
		s.put("text", "x")
		results := s.batch(
			putOp("new", "1"),
			putOp("present", "2", onlyIf(ifAbsent)),
			getOp("present"),
			getOp("absent"),
			deleteOp("absent"),
			incrementOp("text", 1),
			incrementOp("n", 2),
			putOp("present", "3", onlyIf(ifVersion(present))),
			putOp("present", "4", onlyIf(ifVersion(present))),
			deleteOp("present", onlyIf(ifExists)),
			putOp("present", "5", onlyIf(ifExists)),
			putOp("present", "6", onlyIf(ifAbsent)),
		)
		for i, want := range []struct {
			kind kv.Kind
			key  string
			code kv.Code
		}{
			{kv.KindPut, "new", ""},
			{kv.KindPut, "present", kv.CodeAlreadyExists},
			{kv.KindGet, "present", ""},
			{kv.KindGet, "absent", kv.CodeNotFound},
			{kv.KindDelete, "absent", kv.CodeNotFound},
			{kv.KindIncrement, "text", kv.CodeConflict},
			{kv.KindIncrement, "n", ""},
			{kv.KindPut, "present", ""},
			{kv.KindPut, "present", kv.CodeVersionMismatch},
			{kv.KindDelete, "present", ""},
			{kv.KindPut, "present", kv.CodeVersionMismatch},
			{kv.KindPut, "present", ""},
		} {
			got := results[i]
			if got.Kind != want.kind || got.Key != want.key || codeOf(got.Err) != want.code {
				s.Fatalf("operation %d: %+v, error %v; want %v", i, got, got.Err, want)
			}
			if got.Err != nil && (got.Entry != nil || got.Created || got.Number != 0 || got.Kind != kv.KindGet && got.Version != 0) {
				s.Fatalf("operation %d was refused and answered %+v", i, got)
			}
		}
		if e := results[2].Entry; e == nil || string(e.Value) != "1" || e.Version != present {
			s.Fatalf("the get answered %+v", results[2])
		}
		s.equal("increment", results[6].Number, int64(2))
		if !results[11].Created || results[11].Version <= results[9].Version || results[9].Version <= results[7].Version {
			s.Fatalf("put %+v, delete %+v, put %+v", results[7], results[9], results[11])
		}
		s.equal("present", string(s.get("present").Value), "6")
		s.equal("text", string(s.get("text").Value), "x")
		s.equal("n", string(s.get("n").Value), "2")
		s.equal("new", string(s.get("new").Value), "1")
		s.absent("absent")
	}},

	{"operations see those before them", func(s *space) {
		results := s.batch(
			putOp("k", "1"), getOp("k"), incrementOp("k", 1), getOp("k"), deleteOp("k"), getOp("k"), putOp("k", "7"), getOp("k"),
		)
		for i, want := range map[int]string{1: "1", 3: "2", 7: "7"} {
			if e := results[i].Entry; e == nil || string(e.Value) != want || e.Version != results[i-1].Version {
				s.Fatalf("operation %d: %+v", i, results[i])
			}
		}
		if codeOf(results[5].Err) != kv.CodeNotFound {
			s.Fatalf("the get of a deleted key: %+v", results[5])
		}
		kinds := []kv.ChangeKind{}
		for _, c := range s.changes(0) {
			kinds = append(kinds, c.Kind)
		}
		s.equal("changes", kinds, []kv.ChangeKind{kv.ChangePut, kv.ChangePut, kv.ChangeDelete, kv.ChangePut})
	}},

	{"a batch of 1000", func(s *space) {
		ops := make([]kv.Operation, kv.MaxBatchOperations)
		for i := range ops {
			ops[i] = putOp(fmt.Sprintf("key %04d", i), "value", onlyIf(ifAbsent))
		}
		for round, want := range []kv.Code{"", kv.CodeAlreadyExists} {
			for i, res := range s.batch(ops...) {
				if codeOf(res.Err) != want || res.Key != ops[i].Key {
					s.Fatalf("round %d, operation %d: %+v", round, i, res)
				}
			}
		}
		s.equal("keys", s.namespace().Keys, int64(len(ops)))
	}},

	{"large values in one batch", func(s *space) {
		large := string(make([]byte, 3<<20))
		for i, res := range s.batch(putOp("a", large), putOp("b", large), putOp("c", large), putOp("a", "small"), getOp("b")) {
			if res.Err != nil {
				s.Fatalf("operation %d: %v", i, res.Err)
			}
		}
		s.equal("a", string(s.get("a").Value), "small")
		s.equal("c", s.get("c").Size, int64(len(large)))
	}},

	{"a get that reads too much is refused alone", func(s *space) {
		large := string(make([]byte, 6<<20))
		s.put("small", "1")
		results := s.batch(putOp("a", large), getOp("a"), getOp("a"), getOp("a"), getOp("small"), putOp("b", "1"))
		for i, res := range results {
			want := kv.Code("")
			if i == 3 {
				want = kv.CodeTooLarge
			}
			if codeOf(res.Err) != want {
				s.Fatalf("operation %d: %v, want %q", i, res.Err, want)
			}
		}
		s.equal("b", string(s.get("b").Value), "1")
	}},

	{"a batch of reads writes nothing", func(s *space) {
		s.put("k", "1")
		head := s.head()
		s.batch(getOp("k"), getOp("other"))
		s.equal("head", s.head(), head)
	}},
}

// codeOf gives the code of a result's error.
func codeOf(err *kv.Error) kv.Code {
	if err == nil {
		return ""
	}
	return err.Code
}
