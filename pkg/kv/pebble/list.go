package pebble

import (
	"context"

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
	lower, upper := namespaceBounds(tableCurrent, ns)
	if end, bounded := kv.PrefixEnd(q.Prefix); bounded {
		upper = currentKey(nil, ns, end)
	}
	v, err := newView(s.db, lower, upper)
	if err != nil {
		return kv.ListPage{}, err
	}
	defer v.close()
	newest, err := scan(ctx, v, ns, q, start, s.now(), &page)
	if err != nil {
		return kv.ListPage{}, err
	}
	if err := s.settleAt(ctx, newest); err != nil {
		return kv.ListPage{}, err
	}
	return page, nil
}

// scan fills a page and gives the position of the newest change that it saw.
func scan(ctx context.Context, v *view, ns string, q kv.ListQuery, start string, now int64, page *kv.ListPage) (kv.Position, error) {
	head := len(inNamespace(nil, tableCurrent, ns))
	var newest kv.Position
	var bytes int64
	valid := v.SeekGE(currentKey(nil, ns, start))
	for scanned := 0; valid; scanned++ {
		if len(page.Entries)+len(page.Prefixes) == q.Limit || bytes > kv.MaxPageBytes || scanned == maxScannedRows {
			page.Cursor = q.CursorAt(string(v.Key()[head:]))
			break
		}
		if scanned%256 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		st, err := v.state()
		if err != nil {
			return 0, err
		}
		newest = max(newest, st.position)
		if !st.live(now) {
			valid = v.Next()
			continue
		}
		key := string(v.Key()[head:])
		if prefix, folded := q.Fold(key); folded {
			page.Prefixes = append(page.Prefixes, prefix)
			end, bounded := kv.PrefixEnd(prefix)
			valid = bounded && v.SeekGE(currentKey(nil, ns, end))
			continue
		}
		entry, err := listed(v, ns, key, &st, q.Values, now)
		if err != nil {
			return 0, err
		}
		page.Entries = append(page.Entries, entry)
		bytes += int64(len(entry.Value))
		valid = v.Next()
	}
	return newest, v.rowsError()
}

// listed shows a row of the scan as an entry of its own.
func listed(db getter, ns, key string, st *state, values bool, now int64) (kv.Entry, error) {
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
