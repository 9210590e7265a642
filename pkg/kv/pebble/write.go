package pebble

import (
	"context"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Apply implements [kv.Store].
func (s *Store) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	if !op.Kind.Writes() {
		id = kv.Identity{}
	}
	var result kv.Result
	var refusal error
	run := func(b *builder) error {
		var err error
		if result, err = b.named(ns, &op, id); err != nil && b.refuse(ns, &op, id, err) {
			refusal = err
			return nil // the record of the refusal has to be kept
		}
		return err
	}
	var err error
	if op.Kind == kv.KindDelete {
		err = s.commitFreeing(ctx, run)
	} else {
		err = s.commit(ctx, operationCost(&op), run)
	}
	if err != nil {
		return kv.Result{}, err
	}
	if refusal != nil {
		return kv.Result{}, refusal
	}
	if refused := result.Err; refused != nil {
		result.Err = nil
		return result, refused
	}
	return result, nil
}

// Batch implements [kv.Store]. Operations are committed in groups that do not
// hold others up for long.
func (s *Store) Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) ([]kv.Result, error) {
	results := make([]kv.Result, len(ops))
	var reads kv.ReadBudget // of all groups
	for start := 0; start == 0 || start < len(ops); {
		end, cost := start, int64(0)
		for end < len(ops) && (end == start || cost < maxGroupBytes) {
			cost += operationCost(&ops[end])
			end++
		}
		first := start
		err := s.commit(ctx, cost, func(b *builder) error {
			b.reads = reads
			if first == 0 {
				if err := b.claimBatch(ns, id); err != nil {
					return err
				}
			}
			for i := first; i < end; i++ {
				results[i] = b.item(ns, &ops[i], kv.Identity{ID: id.ID.Item(i), Hash: id.Hash})
			}
			reads = b.reads
			return nil
		})
		if err != nil {
			return nil, err
		}
		if end == len(ops) {
			break
		}
		start = end
	}
	return results, nil
}

// claimBatch records a batch as a whole, so that no other request can be made
// under its id.
func (b *builder) claimBatch(ns string, id kv.Identity) error {
	rec, err := b.claimed(id)
	if err == nil && rec == nil {
		b.remember(ns, id, kv.RecordApplied, false, nil)
	}
	return err
}

// item runs one operation of a batch, which never fails its neighbours. Its
// refusal is recorded, too: run again after those behind it, it could undo what
// they were answered.
func (b *builder) item(ns string, op *kv.Operation, id kv.Identity) kv.Result {
	if !op.Kind.Writes() {
		id = kv.Identity{}
	}
	id.Deferred = true
	result, err := b.named(ns, op, id)
	if err != nil {
		b.refuse(ns, op, id, err)
		return kv.Result{Kind: op.Kind, Key: op.Key, Err: kv.AsError(err)}
	}
	return result
}

// named runs an operation once under its id.
func (b *builder) named(ns string, op *kv.Operation, id kv.Identity) (kv.Result, error) {
	rec, err := b.claimed(id)
	if err != nil {
		return kv.Result{}, err
	}
	if rec != nil {
		if len(rec.results) != 1 {
			return kv.Result{}, errMismatch
		}
		return kv.Replay(rec.results)[0], nil
	}
	mark := len(b.mutations)
	result, err := b.apply(ns, op)
	if err != nil {
		b.rollback(mark)
		return kv.Result{}, err
	}
	b.remember(ns, id, kv.RecordApplied, false, []kv.Result{result})
	return result, nil
}

// refuse records why a deferred write was refused, and tells whether it did.
func (b *builder) refuse(ns string, op *kv.Operation, id kv.Identity, err error) bool {
	if !id.Recorded(err) {
		return false
	}
	b.remember(ns, id, kv.RecordRejected, false, []kv.Result{{Kind: op.Kind, Key: op.Key, Err: kv.AsError(err)}})
	return true
}

// operationCost estimates what an operation adds to a batch, in bytes.
func operationCost(op *kv.Operation) int64 {
	cost := len(op.Key) + len(op.Value) + len(op.ContentType) + 256
	for name, value := range op.Meta {
		cost += len(name) + len(value)
	}
	return int64(cost)
}
