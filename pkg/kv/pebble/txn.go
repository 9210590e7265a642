package pebble

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

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
		return kv.TxnResult{Succeeded: rec.succeeded, Results: replay(rec.results), Replayed: true}, nil
	}
	result, err := b.txn(ns, txn)
	if err != nil {
		return kv.TxnResult{}, err
	}
	b.remember(ns, id, kv.RecordApplied, result.Succeeded, result.Results)
	return result, nil
}

func (b *builder) txn(ns string, txn *kv.Txn) (kv.TxnResult, error) {
	result := kv.TxnResult{Succeeded: true}
	for i := range txn.Compare {
		holds, err := b.compare(ns, &txn.Compare[i])
		if err != nil {
			return kv.TxnResult{}, at(err, "compare", i)
		}
		if !holds {
			result.Succeeded = false
			break
		}
	}
	branch, name := txn.Success, "success"
	if !result.Succeeded {
		branch, name = txn.Failure, "failure"
	}
	result.Results = make([]kv.Result, len(branch))
	for i := range branch {
		var err error
		if result.Results[i], err = b.apply(ns, &branch[i]); err != nil {
			return kv.TxnResult{}, at(err, name, i)
		}
	}
	return result, nil
}

// at names the part of a transaction that an error is about.
func at(err error, part string, i int) error {
	e := *kv.AsError(err)
	e.Field = fmt.Sprintf("%s[%d]", part, i)
	return &e
}

// compare holds a key's state against a compare's operand.
func (b *builder) compare(ns string, c *kv.Compare) (bool, error) {
	current, err := b.current(ns, c.Key)
	if err != nil {
		return false, err
	}
	live := current.live(b.now)
	switch c.Target {
	case kv.TargetExists:
		return (live == c.Exists) == (c.Is == kv.RelationEqual), nil
	case kv.TargetVersion:
		version := kv.Version(0)
		if live {
			version = current.version
		}
		return related(c.Is, cmp.Compare(version, c.Version)), nil
	case kv.TargetValue:
		if !live {
			return c.Is == kv.RelationNotEqual, nil
		}
		if err := b.reads.Take(current.size); err != nil {
			return false, err
		}
		value, err := b.value(ns, c.Key, current)
		if err != nil {
			return false, err
		}
		return related(c.Is, bytes.Compare(value, c.Value)), nil
	}
	return false, kv.Invalid("compare", "the target has to be version, value or exists")
}

func related(is kv.Relation, order int) bool {
	switch is {
	case kv.RelationEqual:
		return order == 0
	case kv.RelationNotEqual:
		return order != 0
	case kv.RelationGreater:
		return order > 0
	case kv.RelationLess:
		return order < 0
	}
	return false
}
