package pebble

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/trivetkv/trivet/pkg/kv"
)

// maxScannedRows is how many rows one page looks at, so that tombstones and
// keys that a prefix leaves out cannot make it slow. The page is then short.
const maxScannedRows = 20_000

// List implements [kv.Store].
func (s *Store) List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.ListPage{}, err
	}
	defer leave()
	start, err := q.Start()
	if err != nil {
		return kv.ListPage{}, err
	}
	page := kv.ListPage{Position: kv.Position(s.position.load())}
	snapshot := s.db.NewSnapshot()
	defer func() { _ = snapshot.Close() }()
	newest, err := s.scan(ctx, snapshot, ns, q, start, &page)
	if err != nil {
		return kv.ListPage{}, err
	}
	if err := s.settleAt(ctx, newest); err != nil {
		return kv.ListPage{}, err
	}
	return page, nil
}

// scan fills a page and gives the position of the newest change that it saw.
func (s *Store) scan(ctx context.Context, db pebble.Reader, ns string, q kv.ListQuery, start string, page *kv.ListPage) (kv.Position, error) {
	lower, upper := namespaceBounds(tableCurrent, ns)
	head := len(lower)
	if end, bounded := kv.PrefixEnd(q.Prefix); bounded && q.Prefix != "" {
		upper = currentKey(nil, ns, end)
	}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return 0, readError(err)
	}
	defer func() { _ = it.Close() }()

	now := s.now()
	var newest kv.Position
	var bytes int64
	valid := it.SeekGE(currentKey(nil, ns, start))
	for scanned := 0; valid; scanned++ {
		if len(page.Entries)+len(page.Prefixes) == q.Limit || bytes > kv.MaxPageBytes || scanned == maxScannedRows {
			page.Cursor = q.CursorAt(string(it.Key()[head:]))
			break
		}
		if scanned%256 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		row, err := it.ValueAndErr()
		if err != nil {
			return 0, readError(err)
		}
		var st state
		if err := decodeState(row, &st); err != nil {
			return 0, readError(err)
		}
		newest = max(newest, st.position)
		if !st.live(now) {
			valid = it.Next()
			continue
		}
		key := string(it.Key()[head:])
		if prefix, folded := q.Fold(key); folded {
			page.Prefixes = append(page.Prefixes, prefix)
			end, bounded := kv.PrefixEnd(prefix)
			if !bounded {
				break
			}
			valid = it.SeekGE(currentKey(nil, ns, end))
			continue
		}
		entry, err := listed(db, ns, key, &st, q.Values, now)
		if err != nil {
			return 0, err
		}
		page.Entries = append(page.Entries, entry)
		bytes += int64(len(entry.Value))
		valid = it.Next()
	}
	if err := it.Error(); err != nil {
		return 0, readError(err)
	}
	return newest, nil
}

// listed shows a row of the scan as an entry of its own.
func listed(db pebble.Reader, ns, key string, st *state, values bool, now int64) (kv.Entry, error) {
	switch {
	case !values:
		st.value = nil
	case st.value != nil:
		st.value = cloneValue(st.value)
	default:
		found, err := readInto(db, historyKey(nil, ns, key, st.version), st)
		if err != nil {
			return kv.Entry{}, err
		}
		if !found {
			return kv.Entry{}, readError(errRow)
		}
	}
	entry, err := st.entry(key, now)
	if err != nil {
		return kv.Entry{}, readError(err)
	}
	return entry, nil
}
