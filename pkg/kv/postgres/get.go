package postgres

import (
	"context"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Get implements [kv.Store]. Every read is strong: it asks the server that
// takes the writes.
func (s *Store) Get(ctx context.Context, ns, key string, _ kv.ReadOptions) (kv.Entry, error) {
	// What was just written has no position yet. It is given one and read again,
	// so that a watch from the position does not begin with what the reader has
	// seen. Where the next write is faster, it does.
	for attempt := 0; ; attempt++ {
		st, now, head, unplaced, err := s.getState(ctx, ns, key)
		if err != nil {
			return kv.Entry{}, err
		}
		if unplaced && attempt < 2 {
			if _, err := s.sequencer.catchUp(ctx); err != nil {
				return kv.Entry{}, err
			}
			continue
		}
		if !st.live(now) {
			return kv.Entry{
				Key: key, Version: st.version, Position: kv.Position(head), Source: kv.SourceDatabase,
			}, kv.ErrNotFound
		}
		return st.entry(key, now, head)
	}
}

// getState reads what the last change made of a key, with its value; a key
// without a row is a deletion of version 0. It tells the time, the head of the
// change log, and whether the change has no position yet.
func (s *Store) getState(ctx context.Context, ns, key string) (st state, now, head int64, unplaced bool, err error) {
	if err := ctx.Err(); err != nil {
		return st, 0, 0, false, err
	}
	l := s.look(ctx, ns, key)
	if l.err == nil && l.alone {
		l = &lookup{ns: ns, key: key}
		l.err = s.read(ctx, "get", func(ctx context.Context) error { return s.getOne(ctx, l) })
	}
	return l.st, l.now, l.head, l.unplaced, l.err
}
