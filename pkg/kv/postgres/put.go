package postgres

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Bounds of batches of puts.
const (
	maxPutBatches = 2 // under way at once: one is made while the other is synced
	maxPuts       = 512
	maxPutBytes   = 1 << 20
	maxPutsLooked = 4 * maxPuts // of the queue, for puts of other keys
)

// inlineLimit is the size, in bytes, up to which a value lies in its key's row
// of entries too. Such a row stays below the size at which PostgreSQL would
// move the value out of it. A larger value lies in versions only.
const inlineLimit = 1536

// put is an unconditional put of a small value that nobody names: what most
// writes are. Many of them are committed by one statement.
type put struct {
	kv.GroupedPut

	ctx   context.Context //nolint:containedctx // of the caller, who may give up while it is queued
	asked time.Time
	ttl   int64 // µs, 0: none
	meta  string
	done  chan struct{} // closed when Result and Err stand
}

// isPlain tells whether an operation can be a [put].
func isPlain(op *kv.Operation, id kv.Identity) bool {
	return op.Kind == kv.KindPut && id.ID.IsZero() && op.If.Always() && len(op.Value) <= inlineLimit
}

// Bracket implements [kv.PutGrouper].
func (s *Store) Bracket(around kv.Bracket) { s.bracket = around }

// PutGrouped implements [kv.PutGrouper].
func (s *Store) PutGrouped(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (res kv.Result, grouped bool, err error) {
	if !isPlain(&op, id) {
		return kv.Result{}, false, nil
	}
	if err := ctx.Err(); err != nil {
		return kv.Result{}, true, err
	}
	settings, err := s.settingsOf(ctx, ns)
	if err == nil && settings.quota {
		return kv.Result{}, false, nil
	}
	if err != nil {
		return kv.Result{}, true, err
	}
	res, err = s.put(ctx, ns, &op, settings)
	return res, true, err
}

// put runs an operation that [isPlain].
func (s *Store) put(ctx context.Context, ns string, op *kv.Operation, settings namespaceSettings) (kv.Result, error) {
	meta, err := encodeMeta(op.Meta)
	if err != nil {
		return kv.Result{}, err
	}
	ttl := op.TTL
	if ttl == 0 {
		ttl = settings.defaultTTL
	}
	p := &put{
		GroupedPut: kv.GroupedPut{Namespace: ns, Op: op},
		ctx:        ctx, asked: time.Now(), ttl: micros(ttl), meta: meta, done: make(chan struct{}),
	}
	if s.opts.NoBatching {
		s.flushPuts([]*put{p})
		return p.Result, p.Err
	}
	cost := operationCost(op)
	if err := s.memory.Acquire(ctx, cost); err != nil {
		return kv.Result{}, err
	}
	defer s.memory.Release(cost)
	if !s.puts.submit(p) {
		return kv.Result{}, errClosed
	}
	select {
	case <-p.done:
		return p.Result, p.Err
	case <-ctx.Done():
		return kv.Result{}, ctx.Err()
	}
}

// takePuts takes the first puts of the queue, each key once: the second put of
// a key waits for the next batch.
func (s *Store) takePuts(queue []*put) (batch, rest []*put) {
	taken := make(map[address]bool, min(len(queue), maxPuts))
	size := int64(0)
	for i, p := range queue {
		if len(batch) == maxPuts || size > maxPutBytes || i == maxPutsLooked {
			rest = append(rest, queue[i:]...)
			break
		}
		at := address{p.Namespace, p.Op.Key}
		if taken[at] {
			rest = append(rest, p)
			continue
		}
		taken[at] = true
		batch = append(batch, p)
		size += operationCost(p.Op)
	}
	return batch, rest
}

// flushPuts commits a batch and answers each of its puts.
func (s *Store) flushPuts(batch []*put) {
	batch = slices.DeleteFunc(batch, func(p *put) bool {
		gone := p.ctx.Err()
		if gone != nil {
			p.Err = gone // nobody waits for it any more, and nothing has been sent
			close(p.done)
		}
		return gone != nil
	})
	if len(batch) == 0 {
		return
	}
	// Batches that lock their keys in one order never wait for each other in a circle.
	slices.SortFunc(batch, func(a, b *put) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Op.Key, b.Op.Key)
	})
	if s.bracket == nil {
		s.commitPuts(batch)
	} else {
		puts := make([]*kv.GroupedPut, len(batch))
		for i, p := range batch {
			puts[i] = &p.GroupedPut
		}
		s.bracket(puts, func() { s.commitPuts(batch) })
	}
	for _, p := range batch {
		close(p.done)
	}
}

// commitPuts commits a sorted batch. When the database refuses a value, it
// commits the halves by themselves until the bad row is alone.
func (s *Store) commitPuts(batch []*put) {
	began := time.Now()
	id := newFlushID(began)
	args := putArguments(id, s.clock(), batch)
	asked := batch[0].asked
	for _, p := range batch {
		if p.asked.Before(asked) {
			asked = p.asked
		}
	}
	err := s.persist(asked, func(ctx context.Context) error { return s.sendPuts(ctx, id, args, batch) })
	if err != nil && classify(err) == failureData && len(batch) > 1 {
		half := len(batch) / 2
		s.commitPuts(batch[:half])
		s.commitPuts(batch[half:])
		return
	}
	if err != nil {
		s.metrics.failed("put", err)
		err = databaseError(err)
	} else {
		s.metrics.flushed(len(batch), time.Since(began))
		s.sequencer.kick()
	}
	for _, p := range batch {
		p.Err = err
	}
}

func putArguments(id []byte, clock int64, batch []*put) []any {
	n := len(batch)
	namespaces, keys, values := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	types, metas, ttls := make([]string, n), make([]string, n), make([]int64, n)
	for i, p := range batch {
		namespaces[i], keys[i], values[i] = []byte(p.Namespace), []byte(p.Op.Key), notNil(p.Op.Value)
		types[i], metas[i], ttls[i] = p.Op.ContentType, p.meta, p.ttl
	}
	return []any{id, clock, namespaces, keys, values, types, metas, ttls}
}

// sendPuts makes one attempt. A flush that was claimed before gives no rows:
// then what it wrote is read.
func (s *Store) sendPuts(ctx context.Context, id []byte, args []any, batch []*put) error {
	written, err := s.collectPuts(ctx, batch, sqlPut, args...)
	if err != nil || written == len(batch) {
		return err
	}
	written, err = s.collectPuts(ctx, batch, sqlPutOutcome, id)
	if err == nil && written != len(batch) {
		return errForgotten
	}
	return err
}

// errForgotten is the answer to a flush whose changes were past retention before
// they could be read.
var errForgotten = &kv.Error{Code: kv.CodeUnavailable, Detail: "the connection to the database was lost; the write may have been made"}

// collectPuts sets the results of a batch from the rows of a query, and gives
// their number.
func (s *Store) collectPuts(ctx context.Context, batch []*put, query string, args ...any) (int, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n := 0
	var (
		ns, key                   []byte
		version, created, updated int64
		found                     int16
		head                      int64
	)
	_, err = pgx.ForEachRow(rows, []any{&ns, &key, &version, &created, &updated, &found, &head}, func() error {
		i, ok := slices.BinarySearchFunc(batch, address{string(ns), string(key)}, func(p *put, at address) int {
			if c := strings.Compare(p.Namespace, at.ns); c != 0 {
				return c
			}
			return strings.Compare(p.Op.Key, at.key)
		})
		if !ok {
			return errRow
		}
		n++
		p := batch[i]
		entry := kv.Entry{
			Key:         p.Op.Key,
			Version:     kv.Version(version),
			Value:       notNil(p.Op.Value),
			Size:        int64(len(p.Op.Value)),
			ContentType: p.Op.ContentType,
			Meta:        p.Op.Meta,
			CreatedAt:   instant(created),
			UpdatedAt:   instant(updated),
			Position:    kv.Position(head),
			Source:      kv.SourceDatabase,
		}
		if p.ttl > 0 {
			entry.ExpiresAt = instant(updated + p.ttl)
			entry.TTLLeft = time.Duration(p.ttl) * time.Microsecond
		}
		p.Result = kv.Result{
			Kind: kv.KindPut, Key: p.Op.Key, Version: entry.Version, Created: found != foundEntry, Entry: &entry,
		}
		return nil
	})
	return n, err
}

// foundEntry is the value of the column found where a put replaced an entry.
const foundEntry = 1

// notNil makes an empty value of none.
func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// newFlushID names a flush: ids are in the order of their time.
func newFlushID(now time.Time) []byte {
	id := kv.NewWriteID(now)
	return bytes.Clone(id[:])
}
