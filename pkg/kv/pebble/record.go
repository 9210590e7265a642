package pebble

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Record implements [kv.Store].
func (s *Store) Record(ctx context.Context, id kv.WriteID) (kv.Record, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.Record{}, err
	}
	defer leave()
	rec, err := readRecord(s.db, id, s.now())
	if err != nil {
		return kv.Record{}, err
	}
	if err := s.settle(ctx); err != nil {
		return kv.Record{}, err
	}
	if rec == nil {
		return kv.Record{}, kv.Errorf(kv.CodeNotFound, "no write is known under this id")
	}
	return rec.record(id), nil
}

// Claim implements [kv.Store].
func (s *Store) Claim(ctx context.Context, ns string, id kv.Identity) (kv.Record, error) {
	var record kv.Record
	err := s.commit(ctx, 0, func(b *builder) error {
		rec, err := b.record(id.ID)
		if err != nil {
			return err
		}
		if rec == nil {
			rec = b.remember(ns, id, kv.RecordPending, false, nil)
		} else if rec.hash != id.Hash {
			return errMismatch
		}
		record = rec.record(id.ID)
		return nil
	})
	if err != nil {
		return kv.Record{}, err
	}
	return record, nil
}

var (
	errMismatch = &kv.Error{
		Code:   kv.CodeIdempotencyMismatch,
		Detail: "another request was made under the same idempotency key",
	}
	errInProgress = &kv.Error{
		Code:       kv.CodeIdempotencyInProgress,
		Detail:     "a request under the same idempotency key is being worked on",
		RetryAfter: time.Second,
	}
)

// record shows the row as the record of an id.
func (rec *recordRow) record(id kv.WriteID) kv.Record {
	r := kv.Record{
		ID:        id,
		Namespace: rec.namespace,
		Hash:      rec.hash,
		State:     rec.state,
		At:        time.UnixMicro(rec.at).UTC(),
	}
	if len(rec.results) == 1 {
		r.Result = rec.results[0]
	}
	return r
}

// readRecord gives the record of an id, nil when there is none within
// retention.
func readRecord(db getter, id kv.WriteID, now int64) (*recordRow, error) {
	row, closer, err := db.Get(recordKey(nil, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(err)
	}
	defer func() { _ = closer.Close() }()
	rec, err := decodeRecord(row)
	if err != nil {
		return nil, readError(err)
	}
	if now >= rec.at+kv.RecordRetention.Microseconds() {
		return nil, nil
	}
	return rec, nil
}

// record gives the record of an id, nil when there is none.
func (b *builder) record(id kv.WriteID) (*recordRow, error) {
	if rec, ok := b.records[id]; ok {
		return rec, nil
	}
	rec, err := readRecord(b.db, id, b.now)
	if err != nil {
		return nil, err
	}
	b.records[id] = rec
	return rec, nil
}

// claimed gives the record that answers a write in place of running it, nil
// when the write has to be run.
func (b *builder) claimed(id kv.Identity) (*recordRow, error) {
	if id.ID.IsZero() {
		return nil, nil
	}
	rec, err := b.record(id.ID)
	switch {
	case err != nil || rec == nil:
		return nil, err
	case rec.hash != id.Hash:
		return nil, errMismatch
	case rec.state != kv.RecordPending:
		return rec, nil
	case !id.Deferred:
		return nil, errInProgress
	}
	return nil, nil
}

// remember records the outcome of a named write. It comes last in a request:
// nothing takes it back.
func (b *builder) remember(ns string, id kv.Identity, st kv.RecordState, succeeded bool, results []kv.Result) *recordRow {
	if id.ID.IsZero() {
		return nil
	}
	rec := &recordRow{state: st, namespace: ns, hash: id.Hash, at: b.now, succeeded: succeeded, results: slices.Clone(results)}
	for i := range rec.results {
		rec.results[i].Entry = nil
	}
	if old := b.records[id.ID]; old != nil {
		b.buf = recordTimeKey(b.buf[:0], old.at, id.ID)
		b.remove(b.buf)
	}
	b.buf = recordTimeKey(b.buf[:0], rec.at, id.ID)
	b.set(b.buf, nil)
	b.buf = recordKey(b.buf[:0], id.ID)
	b.val = appendRecord(b.val[:0], rec)
	b.set(b.buf, b.val)
	b.records[id.ID] = rec
	return rec
}
