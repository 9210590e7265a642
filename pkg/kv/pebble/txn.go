package pebble

import (
	"context"
	"errors"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Txn implements [kv.Store].
func (s *Store) Txn(ctx context.Context, ns string, txn kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	cost := int64(0)
	for _, branch := range [2][]kv.Operation{txn.Success, txn.Failure} {
		for i := range branch {
			cost += operationCost(&branch[i])
		}
	}
	var result kv.TxnResult
	err := s.commit(ctx, cost, func(b *builder) error {
		var err error
		result, err = b.namedTxn(ns, &txn, id)
		return err
	})
	if err != nil {
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
		switch {
		case err == nil:
			r.Entry = &entry
		case errors.Is(err, kv.ErrNotFound):
			r.Err = kv.AsError(err)
		default:
			return kv.TxnResult{}, err
		}
	}
	return result, nil
}

func (b *builder) namedTxn(ns string, txn *kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	rec, err := b.claimed(id)
	if err != nil {
		return kv.TxnResult{}, err
	}
	if rec != nil {
		return kv.TxnResult{Succeeded: rec.succeeded, Results: kv.Replay(rec.results), Replayed: true}, nil
	}
	result, err := b.txn(ns, txn)
	if err != nil {
		return kv.TxnResult{}, err
	}
	b.remember(ns, id, kv.RecordApplied, result.Succeeded, result.Results)
	return result, nil
}

func (b *builder) txn(ns string, txn *kv.Txn) (kv.TxnResult, error) {
	return txn.Run(
		func(c *kv.Compare) (bool, error) { return b.compare(ns, c) },
		func(op *kv.Operation) (kv.Result, error) { return b.apply(ns, op) },
	)
}

// compare holds a key's state against a compare's operand.
func (b *builder) compare(ns string, c *kv.Compare) (bool, error) {
	current, err := b.current(ns, c.Key)
	if err != nil {
		return false, err
	}
	return c.Holds(current.live(b.now), current.lastVersion(), func() ([]byte, error) {
		if err := b.reads.Take(current.size); err != nil {
			return nil, err
		}
		return b.value(ns, c.Key, current)
	})
}
