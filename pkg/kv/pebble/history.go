package pebble

import (
	"context"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Version implements [kv.Store].
func (s *Store) Version(ctx context.Context, ns, key string, version kv.Version) (kv.Entry, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.Entry{}, err
	}
	defer leave()
	v, err := newView(s.db, nil, nil)
	if err != nil {
		return kv.Entry{}, err
	}
	defer v.close()
	var st state
	found, err := readVersion(v, ns, key, version, &st)
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
func readVersion(db getter, ns, key string, v kv.Version, st *state) (bool, error) {
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
	lower := historyKey(nil, ns, key, below-1) // inverted: of 0, the first of all
	v, err := newView(s.db, lower, historyKey(nil, ns, key, 0))
	if err != nil {
		return kv.HistoryPage{}, err
	}
	defer v.close()

	var current state
	found, err := readInto(v, currentKey(nil, ns, key), &current)
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
	}
	for valid := v.First(); valid; valid = v.Next() {
		st, err := v.state()
		if err != nil {
			return kv.HistoryPage{}, err
		}
		if st.version == current.version {
			continue // a large value lies in the history from the start
		}
		if len(page.Versions) == q.Limit {
			page.Cursor = q.CursorBelow(page.Versions[len(page.Versions)-1].Version)
			break
		}
		page.Versions = append(page.Versions, historyEntry(&st))
	}
	return page, v.rowsError()
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
