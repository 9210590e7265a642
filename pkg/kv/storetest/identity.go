package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var identityTests = []test{
	{"a repeated write answers from its record", func(s *space) {
		v := s.put("restored", "1").Version
		s.put("restored", "2")
		s.put("deleted", "1")
		for i, op := range []kv.Operation{
			putOp("put", "1", onlyIf(ifAbsent)),
			deleteOp("deleted"),
			incrementOp("n", 5),
			restoreOp("restored", v),
		} {
			id := named(fmt.Sprintf("write %d", i), "request")
			first, err := s.Store.Apply(s.Context(), s.ns, op, id)
			if err != nil || first.Replayed {
				s.Fatalf("%s: %+v, %v", op.Kind, first, err)
			}
			head := s.head()
			for range 3 {
				again, err := s.Store.Apply(s.Context(), s.ns, op, id)
				if err != nil || !again.Replayed || again.Version != first.Version || again.Created != first.Created ||
					again.Number != first.Number || again.Kind != op.Kind || again.Key != op.Key || again.Entry != nil {
					s.Fatalf("%s again: %+v, %v; first %+v", op.Kind, again, err, first)
				}
			}
			s.equal("head", s.head(), head)
		}
		s.equal("n", string(s.get("n").Value), "5")
	}},

	{"a repeated write answers what it did, whatever came after", func(s *space) {
		id := named("write", "request")
		first := s.named(putOp("k", "1"), id)
		s.put("k", "2")
		s.delete("k")
		if again := s.named(putOp("k", "1"), id); !again.Replayed || again.Version != first.Version {
			s.Fatalf("again %+v, first %+v", again, first)
		}
		s.absent("k")
	}},

	{"another request under the same id is refused", func(s *space) {
		s.named(putOp("k", "1"), named("write", "request"))
		_, err := s.Store.Apply(s.Context(), s.ns, putOp("k", "2"), named("write", "another"))
		s.wantCode(err, kv.CodeIdempotencyMismatch, "another request")
		s.equal("value", string(s.get("k").Value), "1")
	}},

	{"a write without an id leaves no record", func(s *space) {
		op := putOp("k", "1")
		first, second := s.must(op), s.must(op)
		if second.Version <= first.Version {
			s.Fatalf("first %+v, second %+v", first, second)
		}
		_, err := s.Store.Record(s.Context(), kv.WriteID{})
		s.wantCode(err, kv.CodeNotFound, "the record of no id")
	}},

	{"a record tells what became of a write", func(s *space) {
		id := named("write", "request")
		_, err := s.Store.Record(s.Context(), id.ID)
		s.wantCode(err, kv.CodeNotFound, "the record of an unknown write")
		res := s.named(incrementOp("n", 3), id)
		rec := s.record(id.ID)
		if rec.State != kv.RecordApplied || rec.ID != id.ID || rec.Hash != id.Hash || rec.Namespace != s.ns || rec.At.IsZero() ||
			rec.Result.Version != res.Version || rec.Result.Number != 3 || !rec.Result.Created || rec.Result.Key != "n" || rec.Result.Entry != nil {
			s.Fatalf("record %+v of %+v", rec, res)
		}
	}},

	{"a refusal is not recorded", func(s *space) {
		id := named("write", "request")
		s.put("k", "1")
		_, err := s.Store.Apply(s.Context(), s.ns, putOp("k", "2", onlyIf(ifAbsent)), id)
		s.wantCode(err, kv.CodeAlreadyExists, "first")
		_, err = s.Store.Record(s.Context(), id.ID)
		s.wantCode(err, kv.CodeNotFound, "the record of a refusal")
		s.delete("k")
		if res := s.named(putOp("k", "2", onlyIf(ifAbsent)), id); res.Replayed {
			s.Fatalf("answered %+v", res)
		}
	}},

	{"a deferred write's refusal is recorded", func(s *space) {
		id := deferred("write", "request")
		s.put("k", "1")
		op := putOp("k", "2", onlyIf(ifAbsent))
		_, err := s.Store.Apply(s.Context(), s.ns, op, id)
		s.wantCode(err, kv.CodeAlreadyExists, "first")
		rec := s.record(id.ID)
		if rec.State != kv.RecordRejected || codeOf(rec.Result.Err) != kv.CodeAlreadyExists || rec.Hash != id.Hash || rec.Namespace != s.ns {
			s.Fatalf("record %+v", rec)
		}
		s.delete("k")
		_, err = s.Store.Apply(s.Context(), s.ns, op, id)
		s.wantCode(err, kv.CodeAlreadyExists, "again, though it would hold now")
		s.absent("k")
	}},

	{"every refusal of a deferred write is recorded", func(s *space) {
		s.put("text", "x")
		s.settings(kv.Namespace{MaxKeys: 1, Retention: kv.DefaultRetention})
		for code, op := range map[kv.Code]kv.Operation{
			kv.CodeConflict:        incrementOp("text", 1),
			kv.CodeNotFound:        deleteOp("absent"),
			kv.CodeVersionMismatch: putOp("text", "", onlyIf(ifVersion(1))),
		} {
			id := deferred(string(code), "request")
			_, err := s.Store.Apply(s.Context(), s.ns, op, id)
			s.wantCode(err, code, "%s", op.Kind)
			if rec := s.record(id.ID); rec.State != kv.RecordRejected || codeOf(rec.Result.Err) != code {
				s.Fatalf("record %+v", rec)
			}
		}
	}},

	{"a claimed write is pending until it is applied", func(s *space) {
		id := deferred("write", "request")
		for range 2 {
			rec, err := s.Store.Claim(s.Context(), s.ns, id)
			if err != nil || rec.State != kv.RecordPending || rec.ID != id.ID || rec.Hash != id.Hash || rec.Namespace != s.ns {
				s.Fatalf("claim: %+v, %v", rec, err)
			}
		}
		s.equal("state", s.record(id.ID).State, kv.RecordPending)
		_, err := s.Store.Claim(s.Context(), s.ns, deferred("write", "another"))
		s.wantCode(err, kv.CodeIdempotencyMismatch, "a claim by another request")

		op := putOp("k", "1")
		_, err = s.Store.Apply(s.Context(), s.ns, op, named("write", "request"))
		s.wantCode(err, kv.CodeIdempotencyInProgress, "a write that is not deferred, under a claimed id")
		_, err = s.Store.Apply(s.Context(), s.ns, op, named("write", "another"))
		s.wantCode(err, kv.CodeIdempotencyMismatch, "another request under a claimed id")
		s.absent("k")

		res := s.named(op, id)
		if res.Replayed || !res.Created {
			s.Fatalf("applied: %+v", res)
		}
		rec, err := s.Store.Claim(s.Context(), s.ns, id)
		if err != nil || rec.State != kv.RecordApplied || rec.Result.Version != res.Version {
			s.Fatalf("claim of an applied write: %+v, %v", rec, err)
		}
		for _, again := range []kv.Identity{id, named("write", "request")} {
			if r := s.named(op, again); !r.Replayed || r.Version != res.Version {
				s.Fatalf("again: %+v", r)
			}
		}
	}},

	{"a claimed write can be rejected", func(s *space) {
		id := deferred("write", "request")
		if _, err := s.Store.Claim(s.Context(), s.ns, id); err != nil {
			s.Fatal(err)
		}
		_, err := s.Store.Apply(s.Context(), s.ns, deleteOp("absent"), id)
		s.wantCode(err, kv.CodeNotFound, "delete")
		s.equal("state", s.record(id.ID).State, kv.RecordRejected)
	}},

	{"a batch keeps a record of each write", exerciseNamedBatch},
	{"a repeated batch runs no refused operation behind those that were made", exerciseNamedBatchOfOneKey},

	{"another batch under the same id is refused as a whole", func(s *space) {
		id := named("batch", "request")
		if _, err := s.Store.Batch(s.Context(), s.ns, []kv.Operation{putOp("a", "1")}, id); err != nil {
			s.Fatal(err)
		}
		_, err := s.Store.Batch(s.Context(), s.ns, []kv.Operation{putOp("b", "1"), putOp("c", "1")}, named("batch", "another"))
		s.wantCode(err, kv.CodeIdempotencyMismatch, "another batch")
		s.equal("keys", s.keys(""), []string{"a"})
	}},

	{"a repeated transaction answers from its record", exerciseNamedTxn},

	{"a refused transaction leaves no record", func(s *space) {
		id := named("txn", "request")
		txn := kv.Txn{Success: []kv.Operation{putOp("a", "1"), deleteOp("b")}}
		_, err := s.Store.Txn(s.Context(), s.ns, txn, id)
		s.wantCode(err, kv.CodeNotFound, "txn")
		_, err = s.Store.Record(s.Context(), id.ID)
		s.wantCode(err, kv.CodeNotFound, "its record")
		s.put("b", "1")
		if res, err := s.Store.Txn(s.Context(), s.ns, txn, id); err != nil || res.Replayed || !res.Succeeded {
			s.Fatalf("answered %+v, %v", res, err)
		}
	}},

	{"another transaction under the same id is refused", func(s *space) {
		txn := kv.Txn{Success: []kv.Operation{incrementOp("n", 1)}}
		if _, err := s.Store.Txn(s.Context(), s.ns, txn, named("txn", "request")); err != nil {
			s.Fatal(err)
		}
		_, err := s.Store.Txn(s.Context(), s.ns, txn, named("txn", "another"))
		s.wantCode(err, kv.CodeIdempotencyMismatch, "another transaction")
		s.equal("n", string(s.get("n").Value), "1")
	}},

	{"concurrent writes under one id are made once", func(s *space) {
		id := named("write", "request")
		results := make([]kv.Result, 16)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				for {
					res, err := s.Store.Apply(s.Context(), s.ns, incrementOp("n", 1), id)
					if kv.CodeOf(err) == kv.CodeIdempotencyInProgress {
						continue
					}
					if err != nil {
						s.Errorf("increment: %v", err)
					}
					results[i] = res
					return
				}
			})
		}
		wg.Wait()
		fresh := 0
		for _, res := range results {
			if !res.Replayed {
				fresh++
			}
			if res.Number != 1 || res.Version != results[0].Version {
				s.Fatalf("answered %+v and %+v", res, results[0])
			}
		}
		s.equal("writes", fresh, 1)
		s.equal("n", string(s.get("n").Value), "1")
	}},

	{"records outlive opening again", func(s *space) {
		id, pending := named("write", "request"), deferred("pending", "request")
		first := s.named(incrementOp("n", 1), id)
		if _, err := s.Store.Claim(s.Context(), s.ns, pending); err != nil {
			s.Fatal(err)
		}
		s.reopen()
		if again := s.named(incrementOp("n", 1), id); !again.Replayed || again.Version != first.Version || again.Number != 1 {
			s.Fatalf("again %+v, first %+v", again, first)
		}
		s.equal("state", s.record(pending.ID).State, kv.RecordPending)
	}},

	{"a record is kept for its retention, then compacted", func(s *space) {
		s.needClock()
		s.needMaintainer()
		id := named("write", "request")
		first := s.named(incrementOp("n", 1), id)
		s.Clock.Advance(kv.RecordRetention - time.Hour)
		s.compactAll()
		if again := s.named(incrementOp("n", 1), id); !again.Replayed || again.Version != first.Version {
			s.Fatalf("within retention: %+v", again)
		}
		s.Clock.Advance(2 * time.Hour)
		s.compactAll()
		_, err := s.Store.Record(s.Context(), id.ID)
		s.wantCode(err, kv.CodeNotFound, "a record past retention")
		if res := s.named(incrementOp("n", 1), id); res.Replayed || res.Number != 2 {
			s.Fatalf("past retention: %+v", res)
		}
	}},

	{"records outlive the key's retention", func(s *space) {
		s.needClock()
		s.needMaintainer()
		s.settings(kv.Namespace{})
		id := named("write", "request")
		s.named(putOp("k", "1"), id)
		s.delete("k")
		s.Clock.Advance(24 * time.Hour)
		s.compactAll()
		if again := s.named(putOp("k", "1"), id); !again.Replayed {
			s.Fatalf("again %+v", again)
		}
		s.absent("k")
	}},
}

// named makes an identity of names.
func named(id, request string) kv.Identity {
	out := kv.Identity{ID: kv.DeriveWriteID("storetest", "space", id)}
	copy(out.Hash[:], request)
	return out
}

func deferred(id, request string) kv.Identity {
	out := named(id, request)
	out.Deferred = true
	return out
}

// named runs a named operation that has to succeed.
func (s *space) named(op kv.Operation, id kv.Identity) kv.Result {
	s.Helper()
	res, err := s.Store.Apply(s.Context(), s.ns, op, id)
	if err != nil {
		s.Fatalf("%s %q: %v", op.Kind, op.Key, err)
	}
	return res
}

func (s *space) record(id kv.WriteID) kv.Record {
	s.Helper()
	rec, err := s.Store.Record(s.Context(), id)
	if err != nil {
		s.Fatalf("record: %v", err)
	}
	return rec
}

func exerciseNamedBatch(s *space) {
	id := named("batch", "request")
	s.put("taken", "1")
	ops := []kv.Operation{
		putOp("a", "1"), putOp("taken", "2", onlyIf(ifAbsent)), incrementOp("n", 1), getOp("a"), deleteOp("a"),
	}
	run := func() []kv.Result {
		s.Helper()
		results, err := s.Store.Batch(s.Context(), s.ns, ops, id)
		if err != nil || len(results) != len(ops) {
			s.Fatalf("batch: %d results, %v", len(results), err)
		}
		return results
	}
	first := run()
	if codeOf(first[1].Err) != kv.CodeAlreadyExists {
		s.Fatalf("answered %+v", first)
	}
	s.delete("taken")
	second := run()
	for _, i := range []int{0, 2, 4} {
		if first[i].Replayed || !second[i].Replayed || second[i].Version != first[i].Version || second[i].Number != first[i].Number {
			s.Fatalf("operation %d: %+v, first %+v", i, second[i], first[i])
		}
	}
	if r := second[1]; codeOf(r.Err) != kv.CodeAlreadyExists {
		s.Fatalf("the operation that was refused before: %+v", r)
	}
	s.absent("taken")
	if r := second[3]; codeOf(r.Err) != kv.CodeNotFound {
		s.Fatalf("a get reads again: %+v", r)
	}
	s.equal("n", string(s.get("n").Value), "1")
	s.absent("a")
	for i, recorded := range []bool{true, true, true, false, true} {
		if _, err := s.Store.Record(s.Context(), id.ID.Item(i)); (err == nil) != recorded {
			s.Fatalf("record of operation %d: %v", i, err)
		}
	}
}

// A refused operation that ran again, behind those that were made, would undo
// what they were answered.
func exerciseNamedBatchOfOneKey(s *space) {
	ops := []kv.Operation{deleteOp("k"), putOp("k", "1"), putOp("k", "2", onlyIf(ifAbsent))}
	for attempt := range 2 {
		results, err := s.Store.Batch(s.Context(), s.ns, ops, named("batch of one key", "request"))
		if err != nil {
			s.Fatal(err)
		}
		for i, code := range []kv.Code{kv.CodeNotFound, "", kv.CodeAlreadyExists} {
			if got := codeOf(results[i].Err); got != code {
				s.Fatalf("attempt %d, operation %d: %q, want %q", attempt, i, got, code)
			}
		}
		s.equal("k", string(s.get("k").Value), "1")
	}
}

func exerciseNamedTxn(s *space) {
	s.put("read", "old")
	compare := []kv.Compare{{Key: "created", Target: kv.TargetExists, Is: kv.RelationEqual}}
	success := kv.Txn{
		Compare: compare,
		Success: []kv.Operation{getOp("read"), putOp("created", "1"), incrementOp("n", 1), getOp("n"), getOp("absent")},
		Failure: []kv.Operation{incrementOp("n", 100)},
	}
	failure := kv.Txn{Compare: compare, Success: []kv.Operation{putOp("never", "1")}, Failure: []kv.Operation{incrementOp("failures", 1)}}
	for i, txn := range []kv.Txn{success, failure} {
		id := named(fmt.Sprintf("txn %d", i), "request")
		first, err := s.Store.Txn(s.Context(), s.ns, txn, id)
		if err != nil || first.Replayed || first.Succeeded != (i == 0) {
			s.Fatalf("txn %d: %+v, %v", i, first, err)
		}
		s.put("read", "new")
		head := s.head()
		again, err := s.Store.Txn(s.Context(), s.ns, txn, id)
		if err != nil || !again.Replayed || again.Succeeded != first.Succeeded || len(again.Results) != len(first.Results) {
			s.Fatalf("txn %d again: %+v, %v", i, again, err)
		}
		for j, r := range again.Results {
			f := first.Results[j]
			if r.Kind != f.Kind || r.Key != f.Key || r.Version != f.Version || r.Created != f.Created || r.Number != f.Number || codeOf(r.Err) != codeOf(f.Err) {
				s.Fatalf("txn %d, operation %d: %+v, first %+v", i, j, r, f)
			}
			if r.Kind == kv.KindGet && f.Entry != nil && (r.Entry == nil || string(r.Entry.Value) != string(f.Entry.Value)) {
				s.Fatalf("txn %d, operation %d read again: %+v, first %+v", i, j, r.Entry, f.Entry)
			}
		}
		s.equal("head", s.head(), head)
		s.equal("state", s.record(id.ID).State, kv.RecordApplied)
	}
	s.equal("n", string(s.get("n").Value), "1")
	s.equal("failures", string(s.get("failures").Value), "1")
	s.absent("never")
}
