package pebble

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/trivetkv/trivet/pkg/kv"
)

// maxUpkeepRows is how many rows of upkeep one request does, so that writers
// never wait long behind it.
const maxUpkeepRows = 256

// Sweep implements [kv.Maintainer].
func (s *Store) Sweep(ctx context.Context, limit int) (int, error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	for done := 0; ; {
		lapsed, err := s.lapsed(ctx, min(limit-done, maxUpkeepRows))
		if err != nil || len(lapsed) == 0 {
			return done, err
		}
		if err := s.commitFreeing(ctx, func(b *builder) error { return b.sweep(lapsed) }); err != nil {
			return done, err
		}
		if done += len(lapsed); done == limit {
			return done, nil
		}
	}
}

// expiry is one row of the index of entries that expire.
type expiry struct {
	address
	at int64 // µs
}

// lapsed reads the first rows of the index that have expired.
func (s *Store) lapsed(ctx context.Context, limit int) ([]expiry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var rows []expiry
	err = eachKey(s.db, []byte{tableExpiry}, upTo(tableExpiry, s.now()), limit, func(key []byte) error {
		at, ns, k, ok := splitExpiryKey(key)
		if !ok {
			return errRow
		}
		rows = append(rows, expiry{address{ns, k}, at})
		return nil
	})
	return rows, err
}

// upTo ends the range of a table's rows that begin with a time up to now.
func upTo(table byte, now int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{table}, uint64(max(now, 0))+1)
}

// eachKey calls visit with the first keys of a range, limit of them at most.
func eachKey(db *pebble.DB, lower, upper []byte, limit int, visit func(key []byte) error) error {
	v, err := newView(db, lower, upper)
	if err != nil {
		return err
	}
	defer v.close()
	for valid := v.First(); valid && limit > 0; valid = v.Next() {
		if err := visit(v.Key()); err != nil {
			return readError(err)
		}
		limit--
	}
	return v.rowsError()
}

// sweep expires entries that are still as the index had them.
func (b *builder) sweep(lapsed []expiry) error {
	for _, x := range lapsed {
		current, err := b.current(x.ns, x.key)
		if err != nil {
			return err
		}
		if current.lapsed(b.now) && current.expires == x.at {
			if _, err := b.expire(x.ns, x.key, current); err != nil {
				return err
			}
		}
	}
	return nil
}

// Compact implements [kv.Maintainer]. The live version of a key always stays.
func (s *Store) Compact(ctx context.Context, limit int) (int, error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	done, err := s.compactRecords(ctx, limit)
	if err != nil || done == limit {
		return done, err
	}
	names, err := s.allNamespaces(ctx)
	if err != nil {
		return done, err
	}
	for _, ns := range names {
		n, err := s.compactNamespace(ctx, ns, limit-done)
		done += n
		if err != nil || done == limit {
			return done, err
		}
	}
	return done, nil
}

func (s *Store) allNamespaces(ctx context.Context) ([]string, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var names []string
	err = eachKey(s.db, []byte{tableNamespace}, []byte{tableNamespace + 1}, math.MaxInt, func(key []byte) error {
		names = append(names, string(key[1:]))
		return nil
	})
	return names, err
}

func (s *Store) compactNamespace(ctx context.Context, ns string, limit int) (int, error) {
	for done := 0; ; {
		old, err := s.oldChanges(ctx, ns, min(limit-done, maxUpkeepRows))
		if err != nil || len(old) == 0 {
			return done, err
		}
		if err := s.commitFreeing(ctx, func(b *builder) error { return b.trim(ns, old) }); err != nil {
			return done, err
		}
		if done += len(old); done == limit {
			return done, nil
		}
	}
}

// oldChange is a row of the change log that is past retention.
type oldChange struct {
	changeRow
	position kv.Position
}

// oldChanges reads the first rows of a namespace's change log as far as they
// are past its retention.
func (s *Store) oldChanges(ctx context.Context, ns string, limit int) ([]oldChange, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	use, _, err := readNamespace(s.db, ns)
	if err != nil {
		return nil, err
	}
	durable := kv.Position(s.position.load())
	v, err := newView(s.db, changeKey(nil, ns, use.trimmed+1), changeKey(nil, ns, durable+1))
	if err != nil {
		return nil, err
	}
	defer v.close()
	horizon := s.now() - use.retention.Microseconds()
	var old []oldChange
	for valid := v.First(); valid && len(old) < limit; valid = v.Next() {
		c, err := v.change()
		if err != nil {
			return nil, err
		}
		if c.at > horizon {
			break
		}
		old = append(old, oldChange{c, changePosition(v.Key())})
	}
	return old, v.rowsError()
}

// trim removes rows of the change log, the versions that they superseded, and
// the tombstones that they made and that still stand. The floor rises above
// all of them in the same batch, so that no version is given out again.
func (b *builder) trim(ns string, old []oldChange) error {
	use, err := b.namespace(ns)
	if err != nil {
		return err
	}
	for _, c := range old {
		if c.kind == stateLive {
			continue
		}
		if _, err := b.current(ns, c.key); err != nil {
			return err // before anything is removed
		}
	}
	for i := range old {
		b.trimChange(ns, &old[i])
	}
	use.trimmed = old[len(old)-1].position
	use.dirty = true
	return nil
}

func (b *builder) trimChange(ns string, c *oldChange) {
	if c.previous != 0 {
		b.buf = historyKey(b.buf[:0], ns, c.key, c.previous)
		b.remove(b.buf)
		b.head.floor = max(b.head.floor, c.previous)
	}
	at := address{ns, c.key}
	if current := b.states[at]; c.kind != stateLive && current != nil && current.version == c.version {
		b.buf = currentKey(b.buf[:0], ns, c.key)
		b.remove(b.buf)
		b.states[at] = nil
		b.head.floor = max(b.head.floor, c.version)
	}
	b.buf = changeKey(b.buf[:0], ns, c.position)
	b.remove(b.buf)
}

// oldRecord is a row of the index of write ids by time.
type oldRecord struct {
	id kv.WriteID
	at int64 // µs
}

func (s *Store) compactRecords(ctx context.Context, limit int) (int, error) {
	for done := 0; ; {
		old, err := s.oldRecords(ctx, min(limit-done, maxUpkeepRows))
		if err != nil || len(old) == 0 {
			return done, err
		}
		if err := s.commitFreeing(ctx, func(b *builder) error { return b.forget(old) }); err != nil {
			return done, err
		}
		if done += len(old); done == limit {
			return done, nil
		}
	}
}

func (s *Store) oldRecords(ctx context.Context, limit int) ([]oldRecord, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var old []oldRecord
	horizon := s.now() - kv.RecordRetention.Microseconds()
	err = eachKey(s.db, []byte{tableRecordTime}, upTo(tableRecordTime, horizon), limit, func(key []byte) error {
		if len(key) != 1+8+len(kv.WriteID{}) {
			return errRow
		}
		old = append(old, oldRecord{
			id: kv.WriteID(key[9:]),
			at: int64(binary.BigEndian.Uint64(key[1:9])), //nolint:gosec // after 1970
		})
		return nil
	})
	return old, err
}

// forget removes records that are past retention. An id may have been used
// again since: its new record stays.
func (b *builder) forget(old []oldRecord) error {
	standing := make([]*recordRow, len(old))
	for i, r := range old {
		var err error
		if standing[i], err = b.record(r.id); err != nil {
			return err // before anything is removed
		}
	}
	for i, r := range old {
		switch rec := standing[i]; {
		case rec == nil:
			b.buf = recordKey(b.buf[:0], r.id)
			b.remove(b.buf)
		case rec.at == r.at:
			continue // the clock has stepped back
		}
		b.buf = recordTimeKey(b.buf[:0], r.at, r.id)
		b.remove(b.buf)
	}
	return nil
}
