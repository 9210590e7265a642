package transfer

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Limits of a batch, below those of the server, so that a request is short and
// one that fails costs little.
const (
	batchEntries = 500
	batchBytes   = 4 << 20 // of the request
)

// batch is what one request writes.
type batch struct {
	entries []kv.Entry
	lines   []int // of the entries
	size    int   // of the request, about
	input   int64 // bytes of the input
}

// sizeOf gives what an entry has at most in a request.
func sizeOf(e kv.Entry) int {
	size := base64.StdEncoding.EncodedLen(len(e.Value)) + 6*len(e.Key) + len(e.ContentType) + 200
	for name, value := range e.Meta {
		size += len(name) + 2*len(value) + 6
	}
	return size
}

func (b *batch) hasRoom(e kv.Entry) bool {
	return len(b.entries) < batchEntries && b.size+sizeOf(e) <= batchBytes
}

func (b *batch) add(e kv.Entry, line int, input int64) {
	b.entries = append(b.entries, e)
	b.lines = append(b.lines, line)
	b.size += sizeOf(e)
	b.input += input
}

// identity names the batch: what is sent of these lines again is not written
// again.
func (b *batch) identity(run, ns string) kv.Identity {
	lane := laneOf(b.entries[0].Key)
	lines := fmt.Sprintf("lane %d lines %d-%d", lane, b.lines[0], b.lines[len(b.lines)-1])
	return kv.Identity{ID: kv.DeriveWriteID("import "+run, ns, lines)}
}

// operations gives the writes of the entries that are not expired at a moment,
// with the places that they have in the batch.
func (b *batch) operations(conflict Conflict, now time.Time) (ops []kv.Operation, places []int) {
	for i, e := range b.entries {
		op := kv.Operation{
			Kind: kv.KindPut, Key: e.Key, Value: e.Value, ContentType: e.ContentType, Meta: e.Meta,
			If: kv.Condition{Absent: conflict != Overwrite},
		}
		if !e.ExpiresAt.IsZero() {
			op.TTL = e.ExpiresAt.Sub(now).Truncate(time.Millisecond)
			if op.TTL < kv.MinTTL {
				continue
			}
		}
		ops = append(ops, op)
		places = append(places, i)
	}
	return ops, places
}

// write makes the writes of a batch. A window that was interrupted was begun
// at several moments, and a batch with times to live may have been sent as of
// any of them, or not yet: the server refuses it as of all but the one of
// which it has a record.
func (im *importer) write(ctx context.Context, b *batch) (Imported, error) {
	id := b.identity(im.state.Run, im.opts.Namespace)
	for i := len(im.state.Begun) - 1; ; i-- {
		ops, places := b.operations(im.opts.OnConflict, im.state.Begun[i])
		done := Imported{Expired: int64(len(b.entries) - len(ops))}
		if len(ops) > 0 {
			results, err := im.send(ctx, ops, b.size, id)
			if i > 0 && kv.CodeOf(err) == kv.CodeIdempotencyMismatch {
				continue
			}
			if err != nil {
				return Imported{}, err
			}
			if err := im.count(&done, b, places, results); err != nil {
				return done, err
			}
		}
		done.Bytes = b.input
		return done, nil
	}
}

// send makes a request of the writes. A batch that is too large for one has a
// single entry, which is sent as it is.
func (im *importer) send(ctx context.Context, ops []kv.Operation, size int, id kv.Identity) ([]kv.Result, error) {
	ctx, cancel := limited(ctx, im.opts.Timeout)
	defer cancel()
	if size <= batchBytes {
		return im.to.Batch(ctx, im.opts.Namespace, ops, id)
	}
	result, err := im.to.Apply(ctx, im.opts.Namespace, ops[0], id)
	if kv.CodeOf(err) == kv.CodeAlreadyExists {
		result.Err, err = kv.AsError(err), nil
	}
	return []kv.Result{result}, err
}

// count adds up results; the first refusal that is no skipped key is the error.
func (im *importer) count(done *Imported, b *batch, places []int, results []kv.Result) error {
	var first error
	for i, r := range results {
		switch {
		case r.Err == nil:
			done.Written++
			// The answer to a write that was repeated has no entry.
			if r.Replayed || r.Entry == nil && b.size <= batchBytes {
				done.Repeated++
			}
		case r.Err.Code == kv.CodeAlreadyExists && im.opts.OnConflict == Skip:
			done.Existing++
		case first == nil:
			first = &LineError{b.lines[places[i]], r.Err}
		}
	}
	return first
}
