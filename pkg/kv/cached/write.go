package cached

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Apply runs one operation. One that writes is acknowledged after its Finish.
func (s *Store) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	if s.grouper != nil {
		if res, grouped, err := s.grouper.PutGrouped(ctx, ns, op, id); grouped {
			return res, err
		}
	}
	w := newWrite(ns, []kv.Operation{op})
	if err := s.begin(ctx, w); err != nil {
		return kv.Result{Kind: op.Kind, Key: op.Key}, err
	}
	res, err := s.database.Apply(ctx, ns, op, id)
	if err == nil {
		w.made(op, res)
	}
	return res, s.finish(ctx, w, err)
}

// Batch runs operations in the order given, each as Apply would.
func (s *Store) Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) ([]kv.Result, error) {
	w := newWrite(ns, ops)
	if err := s.begin(ctx, w); err != nil {
		return nil, err
	}
	results, err := s.database.Batch(ctx, ns, ops, id)
	if err == nil {
		for i, res := range results {
			w.made(ops[i], res)
		}
	}
	return results, s.finish(ctx, w, err)
}

// Txn runs a transaction. Begin covers the keys of both branches.
func (s *Store) Txn(ctx context.Context, ns string, txn kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	w := newWrite(ns, txn.Success, txn.Failure)
	if err := s.begin(ctx, w); err != nil {
		return kv.TxnResult{}, err
	}
	res, err := s.database.Txn(ctx, ns, txn, id)
	if err == nil {
		ran := txn.Failure
		if res.Succeeded {
			ran = txn.Success
		}
		for i, r := range res.Results {
			w.made(ran[i], r)
		}
	}
	return res, s.finish(ctx, w, err)
}

// write is one call that writes, with what it did to each of its keys.
type write struct {
	mark     cache.Mark
	began    time.Time
	keys     []cache.Key
	changes  []cache.Finished // of each key; version 0: not changed
	index    map[string]int   // of each key; nil when there is one
	doubtful []cache.Key      // an item of a batch has an unknown outcome
}

func newWrite(ns string, branches ...[]kv.Operation) *write {
	n := 0
	for _, ops := range branches {
		n += len(ops)
	}
	w := &write{mark: newMark(), keys: make([]cache.Key, 0, n)}
	if n > 1 {
		w.index = make(map[string]int, n)
	}
	for _, ops := range branches {
		for _, op := range ops {
			if _, known := w.index[op.Key]; known || !op.Kind.Writes() {
				continue
			}
			if w.index != nil {
				w.index[op.Key] = len(w.keys)
			}
			w.keys = append(w.keys, cache.Key{Namespace: ns, Key: op.Key})
		}
	}
	w.changes = make([]cache.Finished, len(w.keys))
	for i, key := range w.keys {
		w.changes[i].Key = key
	}
	return w
}

// made takes down the result of an operation. Of several writes to one key the
// last one counts. A replayed answer has no entry: it raises the floor only.
func (w *write) made(op kv.Operation, res kv.Result) {
	if !op.Kind.Writes() {
		return
	}
	i := w.index[op.Key]
	if res.Err != nil {
		if !refused(res.Err) {
			w.doubtful = append(w.doubtful, w.keys[i])
		}
		return
	}
	if c := &w.changes[i]; res.Version >= c.Version {
		c.Version, c.Entry = res.Version, whole(op, res)
	}
}

// whole gives what an operation has written, nil when that is a deletion or not
// known in full.
func whole(op kv.Operation, res kv.Result) *kv.Entry {
	if e := res.Entry; op.Kind != kv.KindDelete && e != nil && int64(len(e.Value)) == e.Size {
		return e
	}
	return nil
}

// begin makes the step before the commit, again when it took so long that the
// mark might not stand until the write has ended.
func (s *Store) begin(ctx context.Context, w *write) error {
	if len(w.keys) == 0 {
		return nil
	}
	for {
		w.began = s.opts.Now()
		if err := s.cache.Begin(ctx, w.keys, w.mark, s.opts.MarkTTL); err != nil {
			if ctx.Err() != nil {
				return kv.AsError(ctx.Err()) // nothing is going to be written
			}
			return s.lost(ctx, stepBegin, err, "nothing was written")
		}
		if s.opts.Now().Sub(w.began) < s.opts.MarkTTL/2 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return kv.AsError(err)
		}
	}
}

// finish makes the step between commit and acknowledgement and gives the error
// to answer. A write with an unknown outcome never finishes: its mark stands
// until it expires. A refused one changed nothing, so its answer does not
// depend on the step.
func (s *Store) finish(ctx context.Context, w *write, outcome error) error {
	if s.process != nil {
		s.process.forget(w.keys) // whatever became of it, what is kept may be old now
	}
	if len(w.keys) == 0 || outcome != nil && !refused(outcome) {
		return outcome
	}
	if loss := s.confirm(ctx, w); loss != nil && outcome == nil {
		return loss
	}
	return outcome
}

// confirm makes the step after the commit, and gives the error to answer where
// a write was made that could not be confirmed.
func (s *Store) confirm(ctx context.Context, w *write) error {
	for i := range w.changes {
		if c := &w.changes[i]; c.Entry != nil && !c.Entry.ExpiresAt.IsZero() {
			aged := s.aged(*c.Entry, w.began)
			c.Entry = &aged
		}
	}
	// What is committed is committed: the step is made though the caller may
	// have gone.
	step, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.StepTimeout)
	defer cancel()
	err := s.keepMarked(step, w.doubtful)
	if err == nil {
		err = s.cache.Finish(step, w.changes, w.mark)
	}
	if err == nil {
		return nil
	}
	return s.lost(ctx, stepFinish, err, "the write was made, but is not confirmed; repeat it under its Idempotency-Key")
}

// keepMarked puts a mark that nobody finishes on keys of which one write is
// acknowledged while another's outcome is unknown.
func (s *Store) keepMarked(ctx context.Context, keys []cache.Key) error {
	if len(keys) == 0 {
		return nil
	}
	return s.cache.Begin(ctx, keys, newMark(), s.opts.MarkTTL)
}

// lost reports a step that could not be confirmed. It gives nil when the write
// may go on, because nobody uses what the cache held.
func (s *Store) lost(ctx context.Context, step string, cause error, consequence string) error {
	s.metrics.failed(step)
	if s.opts.OnLoss != nil && !errors.Is(cause, cache.ErrUnknown) {
		if err := s.opts.OnLoss(context.WithoutCancel(ctx), cause); err == nil {
			return nil
		}
	}
	return &kv.Error{
		Code:   kv.CodeUnavailable,
		Detail: "the cache could not be told of the write: " + consequence,
		Cause:  cause,
	}
}

// refused tells an error after which the store is sure not to have written.
// Any other leaves the outcome unknown.
func refused(err error) bool {
	switch kv.CodeOf(err) {
	case kv.CodeInvalidArgument, kv.CodeUnauthenticated, kv.CodeForbidden, kv.CodeNotFound,
		kv.CodeConflict, kv.CodeVersionMismatch, kv.CodeAlreadyExists, kv.CodeTooLarge,
		kv.CodeIdempotencyInProgress, kv.CodeIdempotencyMismatch,
		kv.CodeRateLimited, kv.CodeQuotaExceeded, kv.CodeOverloaded:
		return true
	default:
		return false
	}
}

func newMark() cache.Mark {
	for {
		if m := cache.Mark(rand.Uint64()); m != 0 { //nolint:gosec // has to be unique, not secret
			return m
		}
	}
}
