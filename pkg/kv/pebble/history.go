package pebble

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Version implements [kv.Store].
func (s *Store) Version(ctx context.Context, ns, key string, v kv.Version) (kv.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.Entry{}, err
	}
	defer leave()
	snapshot := s.db.NewSnapshot()
	defer func() { _ = snapshot.Close() }()
	var st state
	found, err := readVersion(snapshot, ns, key, v, &st)
	if err != nil {
		return kv.Entry{}, err
	}
	if err := s.settleAt(ctx, st.position); err != nil {
		return kv.Entry{}, err
	}
	if !found || st.kind != stateLive {
		return kv.Entry{Key: key, Source: kv.SourceDatabase}, kv.Errorf(kv.CodeNotFound,
			"the version does not exist, is past retention, or is a deletion")
	}
	entry, err := st.entry(key, s.now())
	if err != nil {
		return kv.Entry{}, readError(err)
	}
	return entry, nil
}

// readVersion reads one version of a key, with its value. What is in st is its
// own, also when the version is not there.
func readVersion(db pebble.Reader, ns, key string, v kv.Version, st *state) (bool, error) {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	*buf = currentKey((*buf)[:0], ns, key)
	found, err := readInto(db, *buf, st)
	if err != nil || found && st.version == v && (st.kind != stateLive || st.value != nil) {
		return found, err
	}
	*buf = historyKey((*buf)[:0], ns, key, v)
	return readInto(db, *buf, st)
}

// History implements [kv.Store].
func (s *Store) History(ctx context.Context, ns, key string, q kv.HistoryQuery) (kv.HistoryPage, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.HistoryPage{}, err
	}
	defer leave()
	below, err := q.Below()
	if err != nil {
		return kv.HistoryPage{}, err
	}
	snapshot := s.db.NewSnapshot()
	defer func() { _ = snapshot.Close() }()

	var current state
	found, err := readInto(snapshot, currentKey(nil, ns, key), &current)
	if err != nil {
		return kv.HistoryPage{}, err
	}
	if !found {
		return kv.HistoryPage{}, nil
	}
	if err := s.settleAt(ctx, current.position); err != nil {
		return kv.HistoryPage{}, err
	}
	var page kv.HistoryPage
	if below == 0 || current.version < below {
		page.Versions = append(page.Versions, historyEntry(&current))
		below = current.version
	}
	if err := formerVersions(snapshot, ns, key, below, q, &page); err != nil {
		return kv.HistoryPage{}, err
	}
	return page, nil
}

// formerVersions adds the versions of a key below one to a page.
func formerVersions(db pebble.Reader, ns, key string, below kv.Version, q kv.HistoryQuery, page *kv.HistoryPage) error {
	lower := historyKey(nil, ns, key, below-1)
	upper := historyKey(nil, ns, key, 0)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return readError(err)
	}
	defer func() { _ = it.Close() }()
	for valid := it.First(); valid; valid = it.Next() {
		if len(page.Versions) == q.Limit {
			page.Cursor = q.CursorBelow(page.Versions[len(page.Versions)-1].Version)
			break
		}
		row, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		var st state
		if err := decodeState(row, &st); err != nil {
			return readError(err)
		}
		page.Versions = append(page.Versions, historyEntry(&st))
	}
	if err := it.Error(); err != nil {
		return readError(err)
	}
	return nil
}

func historyEntry(st *state) kv.HistoryEntry {
	return kv.HistoryEntry{
		Version:     st.version,
		Op:          st.kind.change(),
		At:          time.UnixMicro(st.updated).UTC(),
		Size:        st.size,
		ContentType: st.contentType,
	}
}
