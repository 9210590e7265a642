package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

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

// recordRow is what the store remembers of a named write: of one operation, of
// a transaction, or of a batch as a whole, which has no results of its own.
type recordRow struct {
	state     kv.RecordState
	namespace string
	hash      [32]byte
	at        int64 // µs
	succeeded bool  // of a transaction: the branch that was run
	results   []kv.Result
}

// Codes of the states in the database.
var recordStates = [...]kv.RecordState{kv.RecordPending, kv.RecordApplied, kv.RecordRejected}

// resultRow is the form of a result in the database.
type resultRow struct {
	Kind    kv.Kind    `json:"kind"`
	Key     []byte     `json:"key"`
	Version kv.Version `json:"version,omitempty"`
	Created bool       `json:"created,omitempty"`
	Number  int64      `json:"number,omitempty"`
	Code    kv.Code    `json:"code,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Field   string     `json:"field,omitempty"`
}

func encodeResults(results []kv.Result) []byte {
	if len(results) == 0 {
		return nil
	}
	rows := make([]resultRow, len(results))
	for i := range results {
		r := &results[i]
		rows[i] = resultRow{Kind: r.Kind, Key: []byte(r.Key), Version: r.Version, Created: r.Created, Number: r.Number}
		if r.Err != nil {
			rows[i].Code, rows[i].Detail, rows[i].Field = r.Err.Code, r.Err.Detail, r.Err.Field
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		panic(err) // there is nothing in it that JSON has not
	}
	return text
}

func decodeResults(text []byte) ([]kv.Result, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var rows []resultRow
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("decode results: %w; %w", err, errRow)
	}
	results := make([]kv.Result, len(rows))
	for i, r := range rows {
		results[i] = kv.Result{Kind: r.Kind, Key: string(r.Key), Version: r.Version, Created: r.Created, Number: r.Number}
		if r.Code != "" {
			results[i].Err = &kv.Error{Code: r.Code, Detail: r.Detail, Field: r.Field}
		}
	}
	return results, nil
}

// record shows the row as the record of an id.
func (rec *recordRow) record(id kv.WriteID) kv.Record {
	r := kv.Record{ID: id, Namespace: rec.namespace, Hash: rec.hash, State: rec.state, At: instant(rec.at)}
	if len(rec.results) == 1 {
		r.Result = rec.results[0]
	}
	return r
}

// Record implements [kv.Store].
func (s *Store) Record(ctx context.Context, id kv.WriteID) (kv.Record, error) {
	var found kv.Record
	err := s.read(ctx, "record", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sqlRecords, [][]byte{id[:]}, s.clock())
		if err != nil {
			return err
		}
		return eachRecord(rows, func(id kv.WriteID, rec *recordRow) { found = rec.record(id) })
	})
	if err == nil && found.State == "" {
		err = kv.Errorf(kv.CodeNotFound, "no write is known under this id")
	}
	return found, err
}

// Claim implements [kv.Store].
func (s *Store) Claim(ctx context.Context, ns string, id kv.Identity) (kv.Record, error) {
	if err := ctx.Err(); err != nil {
		return kv.Record{}, err
	}
	var record kv.Record
	r := newRequest(ctx, ns, id)
	r.run = func(b *builder) error {
		rec := b.records[id.ID]
		if rec == nil {
			rec = b.remember(ns, id, kv.RecordPending, false, nil)
		} else if rec.hash != id.Hash {
			return errMismatch
		}
		record = rec.record(id.ID)
		return nil
	}
	if err := s.commit(ctx, r); err != nil {
		return kv.Record{}, err
	}
	return record, nil
}

func eachRecord(rows pgx.Rows, visit func(kv.WriteID, *recordRow)) error {
	var id, ns, hash, results []byte
	var state int16
	var at int64
	var succeeded bool
	_, err := pgx.ForEachRow(rows, []any{&id, &ns, &hash, &state, &at, &succeeded, &results}, func() error {
		rec := &recordRow{namespace: string(ns), at: at, succeeded: succeeded}
		if len(id) != len(kv.WriteID{}) || len(hash) != len(rec.hash) || state < 0 || int(state) >= len(recordStates) {
			return errRow
		}
		copy(rec.hash[:], hash)
		rec.state = recordStates[state]
		var err error
		if rec.results, err = decodeResults(results); err != nil {
			return err
		}
		visit(kv.WriteID(id), rec)
		return nil
	})
	return err
}

// scanClaims reads which names the group has claimed.
func (b *builder) scanClaims(rows pgx.Rows) error {
	var id []byte
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		if len(id) != len(kv.WriteID{}) {
			return errRow
		}
		b.fresh[kv.WriteID(id)] = true
		return nil
	})
	return err
}

// scanRecords reads the records that others have left.
func (b *builder) scanRecords(rows pgx.Rows) error {
	return eachRecord(rows, func(id kv.WriteID, rec *recordRow) {
		if !b.fresh[id] {
			b.records[id] = rec
		}
	})
}

// claimed gives the record that answers a write in place of running it, nil
// when the write has to be run.
func (b *builder) claimed(id kv.Identity) (*recordRow, error) {
	if id.ID.IsZero() {
		return nil, nil
	}
	rec := b.records[id.ID]
	switch {
	case rec == nil:
		return nil, nil
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
	b.records[id.ID] = rec
	b.dirty[id.ID] = true
	return rec
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

// claimBatch records a batch as a whole, so that no other request can be made
// under its id.
func (b *builder) claimBatch(ns string, id kv.Identity) error {
	rec, err := b.claimed(id)
	if err == nil && rec == nil {
		b.remember(ns, id, kv.RecordApplied, false, nil)
	}
	return err
}

// item runs one operation of a batch, which never fails its neighbours.
func (b *builder) item(ns string, op *kv.Operation, id kv.Identity) kv.Result {
	if !op.Kind.Writes() {
		id = kv.Identity{}
	}
	result, err := b.named(ns, op, id)
	if err != nil {
		b.refuse(ns, op, id, err)
		return kv.Result{Kind: op.Kind, Key: op.Key, Err: kv.AsError(err)}
	}
	return result
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

// queueRecords writes the records that have changed and gives up the claims
// that were not used. It tells whether there is a record to commit.
func (b *builder) queueRecords(batch *pgx.Batch) bool {
	var ids, namespaces, hashes, results [][]byte
	var states []int16
	var succeeded []bool
	for id := range b.dirty {
		rec := b.records[id]
		ids, namespaces = append(ids, id[:]), append(namespaces, []byte(rec.namespace))
		hashes, results = append(hashes, rec.hash[:]), append(results, encodeResults(rec.results))
		states = append(states, int16(slices.Index(recordStates[:], rec.state))) //nolint:gosec // one of three
		succeeded = append(succeeded, rec.succeeded)
	}
	var unused [][]byte
	for id := range b.fresh {
		if !b.dirty[id] {
			unused = append(unused, id[:])
		}
	}
	if len(ids) > 0 {
		batch.Queue(sqlUpdateRecords, ids, namespaces, hashes, states, b.now, succeeded, results)
	}
	if len(unused) > 0 {
		batch.Queue(sqlDeleteRecords, unused)
	}
	return len(ids) > 0
}
