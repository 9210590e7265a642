package pebble

import (
	"context"
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/trivetkv/trivet/pkg/kv"
)

// keyBuffers spares each read the allocation of a row's key.
var keyBuffers = sync.Pool{New: func() any {
	buf := make([]byte, 0, maxRowKeyBytes)
	return &buf
}}

// Get implements [kv.Store]. Every read is strong: it sees each write that was
// acknowledged before it began, and nothing that a power cut could take back.
func (s *Store) Get(ctx context.Context, ns, key string, _ kv.ReadOptions) (kv.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.Entry{}, err
	}
	defer leave()
	since := kv.Position(s.position.load())
	var st state
	if err := s.read(ns, key, &st); err != nil {
		return kv.Entry{}, err
	}
	if err := s.settleAt(ctx, st.position); err != nil {
		return kv.Entry{}, err
	}
	now := s.now()
	if !st.live(now) {
		return kv.Entry{
			Key: key, Version: st.version, Position: max(since, st.position), Source: kv.SourceDatabase,
		}, kv.ErrNotFound
	}
	entry, err := st.entry(key, now)
	if err != nil {
		return kv.Entry{}, readError(err)
	}
	entry.Position = max(since, st.position)
	return entry, nil
}

// read reads what the last change made of a key, with its value; a key
// without a row is left as a deletion of version 0.
func (s *Store) read(ns, key string, st *state) error {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	for missing := kv.Version(0); ; {
		*buf = currentKey((*buf)[:0], ns, key)
		found, err := readInto(s.db, *buf, st)
		if err != nil {
			return err
		}
		if !found {
			*st = state{kind: stateDeleted}
			return nil
		}
		if st.kind != stateLive || st.value != nil {
			return nil
		}
		version := st.version
		*buf = historyKey((*buf)[:0], ns, key, version)
		found, err = readInto(s.db, *buf, st)
		if err != nil || found {
			return err
		}
		// Between the two reads the version was superseded and compacted away,
		// unless it is still the current one.
		if version == missing {
			return readError(errRow)
		}
		missing = version
	}
}

// readInto reads a state row; what is in st is its own.
func readInto(db getter, key []byte, st *state) (bool, error) {
	row, closer, err := db.Get(key)
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			return false, nil
		}
		return false, readError(err)
	}
	err = decodeState(row, st)
	st.detach()
	if closeErr := closer.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return false, readError(err)
	}
	return true, nil
}
