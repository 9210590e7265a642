package pebble

import (
	"encoding/binary"

	"github.com/trivetkv/trivet/pkg/kv"
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

// Codes of the states on disk.
var recordStates = [...]kv.RecordState{kv.RecordPending, kv.RecordApplied, kv.RecordRejected}

// Bits of a result's first byte.
const (
	resultCreated = 1 << iota
	resultRefused
)

func appendRecord(buf []byte, rec *recordRow) []byte {
	for code, s := range recordStates {
		if s == rec.state {
			buf = append(buf, byte(code))
		}
	}
	buf = append(buf, rec.hash[:]...)
	buf = binary.AppendVarint(buf, rec.at)
	buf = appendString(buf, rec.namespace)
	succeeded := byte(0)
	if rec.succeeded {
		succeeded = 1
	}
	buf = append(buf, succeeded)
	buf = binary.AppendUvarint(buf, uint64(len(rec.results)))
	for i := range rec.results {
		buf = appendResult(buf, &rec.results[i])
	}
	return buf
}

func appendResult(buf []byte, res *kv.Result) []byte {
	flags := byte(0)
	if res.Created {
		flags |= resultCreated
	}
	if res.Err != nil {
		flags |= resultRefused
	}
	buf = append(buf, flags, byte(res.Kind))
	buf = appendString(buf, res.Key)
	buf = binary.AppendUvarint(buf, uint64(res.Version)) //nolint:gosec // positive
	buf = binary.AppendVarint(buf, res.Number)
	if res.Err != nil {
		buf = appendString(buf, string(res.Err.Code))
		buf = appendString(buf, res.Err.Detail)
		buf = appendString(buf, res.Err.Field)
	}
	return buf
}

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

func decodeRecord(row []byte) (*recordRow, error) {
	r := reader{rest: row}
	code := int(r.byte())
	if code >= len(recordStates) {
		return nil, errRow
	}
	rec := &recordRow{state: recordStates[code]}
	copy(rec.hash[:], r.take(len(rec.hash)))
	rec.at = r.varint()
	rec.namespace = string(r.bytes())
	rec.succeeded = r.byte() == 1
	n := r.positive()
	if r.failed || n > kv.MaxBatchOperations {
		return nil, errRow
	}
	rec.results = make([]kv.Result, n)
	for i := range rec.results {
		rec.results[i] = r.result()
	}
	if r.failed {
		return nil, errRow
	}
	return rec, nil
}

func (r *reader) result() kv.Result {
	flags := r.byte()
	res := kv.Result{
		Kind:    kv.Kind(r.byte()),
		Key:     string(r.bytes()),
		Version: kv.Version(r.positive()),
		Number:  r.varint(),
		Created: flags&resultCreated != 0,
	}
	if flags&resultRefused != 0 {
		res.Err = &kv.Error{
			Code:   kv.Code(r.bytes()),
			Detail: string(r.bytes()),
			Field:  string(r.bytes()),
		}
	}
	return res
}
