package postgres

import (
	"bytes"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Bounds of what one page looks at, so that tombstones, and prefixes that fold
// many keys, cannot make it slow. The page is then short.
const (
	maxScannedRows = 20_000
	maxScans       = 64
	scanRows       = 1000
)

// behindAll is behind every key.
var behindAll = bytes.Repeat([]byte{0xff}, kv.MaxKeyBytes+1)

// List implements [kv.Store].
func (s *Store) List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error) {
	start, err := q.Start()
	if err != nil {
		return kv.ListPage{}, err
	}
	// What has no position yet would come again in a watch from the page's.
	if _, err := s.upToDate(ctx); err != nil {
		return kv.ListPage{}, err
	}
	var page kv.ListPage
	err = s.read(ctx, "list", func(ctx context.Context) error {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		l := lister{conn: conn.Conn(), ns: []byte(ns), q: q}
		err = l.read(ctx, start, s.clock())
		page = l.page
		if !conn.Conn().IsClosed() {
			if _, endErr := conn.Exec(context.WithoutCancel(ctx), sqlRollback); endErr != nil {
				_ = conn.Conn().Close(ctx) // the pool makes another
			}
		}
		return err
	})
	if err != nil {
		return kv.ListPage{}, err
	}
	return page, nil
}

// lister reads one page from one snapshot.
type lister struct {
	conn *pgx.Conn
	ns   []byte
	q    kv.ListQuery

	now, head int64
	page      kv.ListPage
	bytes     int64
	scanned   int
}

// listRow is a row of the scan.
type listRow struct {
	key string
	state
}

func (l *lister) read(ctx context.Context, start string, clock int64) error {
	end := behindAll
	if e, bounded := kv.PrefixEnd(l.q.Prefix); bounded {
		end = []byte(e)
	}
	rows, err := l.begin(ctx, start, end, clock)
	if err != nil {
		return err
	}
	l.page.Position = kv.Position(l.head)
	asked := l.chunk()
	for scans := 1; ; scans++ {
		next, done, err := l.take(rows)
		if err != nil {
			return err
		}
		if done || len(rows) < asked {
			break
		}
		asked = scanRows
		if next == "" {
			next = rows[len(rows)-1].key + "\x00"
		}
		if scans == maxScans || l.scanned >= maxScannedRows {
			l.page.Cursor = l.q.CursorAt(next)
			break
		}
		if rows, err = l.scan(ctx, next, end); err != nil {
			return err
		}
	}
	return l.values(ctx)
}

// begin starts the snapshot and reads the first rows of it in one round trip.
func (l *lister) begin(ctx context.Context, start string, end []byte, clock int64) ([]listRow, error) {
	var rows []listRow
	batch := &pgx.Batch{}
	batch.Queue(sqlBeginSnapshot)
	batch.Queue(sqlStore, clock).QueryRow(func(row pgx.Row) error {
		var floor, settled, floorAt int64
		return row.Scan(&l.now, &l.head, &floor, &settled, &floorAt)
	})
	batch.Queue(sqlList, l.ns, []byte(start), end, l.chunk()).Query(func(found pgx.Rows) (err error) {
		rows, err = scanList(found)
		return err
	})
	err := l.conn.SendBatch(ctx, batch).Close()
	return rows, err
}

// chunk is how many rows one scan reads: with few tombstones a page has enough
// with a few more than it may hold.
func (l *lister) chunk() int {
	if l.q.Delimiter == "" {
		return min(l.q.Limit+l.q.Limit/8+8, scanRows)
	}
	return scanRows
}

func (l *lister) scan(ctx context.Context, start string, end []byte) ([]listRow, error) {
	rows, err := l.conn.Query(ctx, sqlList, l.ns, []byte(start), end, scanRows)
	if err != nil {
		return nil, err
	}
	return scanList(rows)
}

func scanList(rows pgx.Rows) ([]listRow, error) {
	var found []listRow
	var key []byte
	var st state
	_, err := pgx.ForEachRow(rows, []any{
		&key, &st.version, &st.kind, &st.created, &st.updated, &st.expires, &st.size, &st.contentType, &st.meta,
	}, func() error {
		found = append(found, listRow{string(key), st})
		return nil
	})
	return found, err
}

// take adds rows to the page. It tells when the page is done, and where to go
// on when the rest of the rows are keys of a prefix that is in the page.
func (l *lister) take(rows []listRow) (next string, done bool, err error) {
	folded, skip := "", false
	for i := range rows {
		row := &rows[i]
		l.scanned++
		if skip && len(row.key) >= len(folded) && row.key[:len(folded)] == folded {
			continue
		}
		skip = false
		if len(l.page.Entries)+len(l.page.Prefixes) == l.q.Limit || l.bytes > kv.MaxPageBytes {
			l.page.Cursor = l.q.CursorAt(row.key)
			return "", true, nil
		}
		if !row.live(l.now) {
			continue
		}
		if prefix, ok := l.q.Fold(row.key); ok {
			l.page.Prefixes = append(l.page.Prefixes, prefix)
			folded, skip = prefix, true
			continue
		}
		entry, err := row.entry(row.key, l.now, l.head)
		if err != nil {
			return "", true, err
		}
		l.page.Entries = append(l.page.Entries, entry)
		if l.q.Values {
			l.bytes += row.size
		}
	}
	if !skip {
		return "", false, nil
	}
	end, bounded := kv.PrefixEnd(folded)
	return end, !bounded, nil
}

// values reads the values of the page's entries.
func (l *lister) values(ctx context.Context) error {
	if !l.q.Values || len(l.page.Entries) == 0 {
		return nil
	}
	keys := make([][]byte, len(l.page.Entries))
	at := make(map[string]int, len(keys))
	for i, e := range l.page.Entries {
		keys[i] = []byte(e.Key)
		at[e.Key] = i
	}
	rows, err := l.conn.Query(ctx, sqlListValues, repeated(string(l.ns), len(keys)), keys)
	if err != nil {
		return err
	}
	var key, value []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error {
		i, ok := at[string(key)]
		if !ok || value == nil {
			return errRow
		}
		l.page.Entries[i].Value = value
		value = nil // the entry keeps it
		return nil
	})
	return err
}
