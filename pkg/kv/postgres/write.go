package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Apply implements [kv.Store].
func (s *Store) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	if err := ctx.Err(); err != nil {
		return kv.Result{}, err
	}
	if !op.Kind.Writes() {
		return s.applyGet(ctx, ns, op)
	}
	if res, grouped, err := s.PutGrouped(ctx, ns, op, id); grouped {
		return res, err
	}
	return s.applyInGroup(ctx, ns, op, id)
}

// applyGet reads a key as an operation.
func (s *Store) applyGet(ctx context.Context, ns string, op kv.Operation) (kv.Result, error) {
	entry, err := s.Get(ctx, ns, op.Key, kv.ReadOptions{Consistency: kv.Strong})
	if kv.CodeOf(err) == kv.CodeNotFound {
		if err := op.If.Check(0); err != nil {
			return kv.Result{}, err
		}
		return kv.Result{Kind: op.Kind, Key: op.Key, Version: entry.Version}, err
	}
	if err != nil {
		return kv.Result{}, err
	}
	if err := op.If.Check(entry.Version); err != nil {
		return kv.Result{}, err
	}
	return kv.Result{Kind: op.Kind, Key: op.Key, Version: entry.Version, Entry: &entry}, nil
}

// applyInGroup runs any operation, together with others that wait.
func (s *Store) applyInGroup(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	var result kv.Result
	var refusal error
	r := newRequest(ctx, ns, id)
	r.needs(ns, &op)
	r.run = func(b *builder) error {
		result, refusal = kv.Result{}, nil // an attempt before may have left some
		var err error
		if result, err = b.named(ns, &op, id); err != nil && b.refuse(ns, &op, id, err) {
			refusal = err
			return nil // the record of the refusal has to be kept
		}
		return err
	}
	if err := s.commit(ctx, r); err != nil {
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

// maxBatchBytes bounds what of a batch is committed at once.
const maxBatchBytes = 4 << 20

// Batch implements [kv.Store]. A large batch is committed in several parts.
func (s *Store) Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) ([]kv.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]kv.Result, len(ops))
	var reads kv.ReadBudget // of all parts
	for start := 0; start == 0 || start < len(ops); {
		end, cost := start, int64(0)
		for end < len(ops) && (end == start || cost < maxBatchBytes) {
			cost += operationCost(&ops[end])
			end++
		}
		first, before := start, reads
		r := newRequest(ctx, ns, kv.Identity{})
		if first == 0 {
			r.claims(ns, id)
		}
		for i := first; i < end; i++ {
			r.needs(ns, &ops[i])
			if ops[i].Kind.Writes() {
				r.claims(ns, itemOf(id, i))
			}
		}
		r.run = func(b *builder) error {
			b.reads = before
			if first == 0 {
				if err := b.claimBatch(ns, id); err != nil {
					return err
				}
			}
			for i := first; i < end; i++ {
				results[i] = b.item(ns, &ops[i], itemOf(id, i))
			}
			reads = b.reads
			return nil
		}
		if err := s.commit(ctx, r); err != nil {
			return nil, err
		}
		if end == len(ops) {
			break
		}
		start = end
	}
	return results, nil
}

// itemOf gives the identity of an operation of a batch. Its refusal is recorded,
// too: run again after those behind it, it could undo what they were answered.
func itemOf(id kv.Identity, i int) kv.Identity {
	return kv.Identity{ID: id.ID.Item(i), Hash: id.Hash, Deferred: true}
}

// Txn implements [kv.Store].
func (s *Store) Txn(ctx context.Context, ns string, txn kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	if err := ctx.Err(); err != nil {
		return kv.TxnResult{}, err
	}
	r := newRequest(ctx, ns, id)
	for i := range txn.Compare {
		c := &txn.Compare[i]
		r.locks(address{ns, c.Key}, c.Target == kv.TargetValue)
	}
	for _, branch := range [][]kv.Operation{txn.Success, txn.Failure} {
		for i := range branch {
			r.needs(ns, &branch[i])
		}
	}
	var result kv.TxnResult
	r.run = func(b *builder) error {
		var err error
		result, err = b.namedTxn(ns, &txn, id)
		return err
	}
	if err := s.commit(ctx, r); err != nil {
		return kv.TxnResult{}, err
	}
	if result.Replayed {
		return s.reread(ctx, ns, result)
	}
	return result, nil
}

// reread gives the gets of a replayed transaction their values, by version.
func (s *Store) reread(ctx context.Context, ns string, result kv.TxnResult) (kv.TxnResult, error) {
	for i := range result.Results {
		r := &result.Results[i]
		if r.Kind != kv.KindGet || r.Err != nil {
			continue
		}
		entry, err := s.Version(ctx, ns, r.Key, r.Version)
		switch kv.CodeOf(err) {
		case "":
			r.Entry = &entry
		case kv.CodeNotFound:
			r.Err = kv.AsError(err)
		default:
			return kv.TxnResult{}, err
		}
	}
	return result, nil
}

// commit runs a request in a group and waits for it. A caller that gives up
// leaves it to be finished without him.
func (s *Store) commit(ctx context.Context, r *request) error {
	if err := s.memory.Acquire(ctx, min(r.cost, maxQueuedBytes)); err != nil {
		return err
	}
	defer s.memory.Release(min(r.cost, maxQueuedBytes))
	queue := s.groups
	if r.alone {
		queue = s.alone
	}
	if !queue.submit(r) {
		return errClosed
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.alone && r.claiming.Load() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errInProgress // it has waited for another with its name until now
		}
		return ctx.Err()
	}
}

// operationCost estimates what an operation takes in memory, in bytes.
func operationCost(op *kv.Operation) int64 {
	cost := len(op.Key) + len(op.Value) + len(op.ContentType) + 256
	for name, value := range op.Meta {
		cost += len(name) + len(value)
	}
	return int64(cost)
}

// newRequest makes a request to run in a group under an identity.
func newRequest(ctx context.Context, ns string, id kv.Identity) *request {
	r := &request{
		ctx:    ctx,
		asked:  time.Now(),
		ns:     ns,
		cost:   256,
		wanted: map[address]bool{},
		done:   make(chan struct{}),
	}
	r.claims(ns, id)
	return r
}
