package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	logRows     = 64  // of changes, in one query
	detailsRows = 100 // versions whose values are read at once
)

// Changes implements [kv.Store].
func (s *Store) Changes(ctx context.Context, ns string, q kv.ChangeQuery) (kv.ChangePage, error) {
	head, err := s.headFor(ctx, q)
	if err != nil {
		return kv.ChangePage{}, err
	}
	if q.After < 0 || q.After > head {
		return kv.ChangePage{}, kv.Invalid("since", "the position is not one that the store has given out")
	}
	var page kv.ChangePage
	err = s.read(ctx, "changes", func(ctx context.Context) (err error) {
		page, err = s.readChanges(ctx, ns, q, head)
		return err
	})
	return page, err
}

// headFor gives the head up to which a query reads. A follower who knows a
// position behind it has seen a pass that a crash has undone: it is made again.
func (s *Store) headFor(ctx context.Context, q kv.ChangeQuery) (kv.Position, error) {
	if !q.Following {
		return s.upToDate(ctx)
	}
	head, err := s.head(ctx)
	if err != nil || head.position >= q.After {
		return head.position, err
	}
	return s.upToDate(ctx)
}

// logRow is one change as the log has it.
type logRow struct {
	position kv.Position
	key      string
	version  kv.Version
	previous kv.Version
	kind     int16
	at       int64
}

// readChanges reads a page behind which there is nothing up to head, or more.
func (s *Store) readChanges(ctx context.Context, ns string, q kv.ChangeQuery, head kv.Position) (kv.ChangePage, error) {
	page := kv.ChangePage{Next: q.After}
	var found []logRow
	for scanned := 0; ; {
		rows, whole, err := s.readLog(ctx, ns, page.Next, logRows)
		if err != nil {
			return kv.ChangePage{}, err
		}
		for _, row := range rows {
			if len(found) == q.Limit || scanned == maxScannedRows {
				page.More = true
				break
			}
			scanned++
			page.Next = row.position
			if strings.HasPrefix(row.key, q.Prefix) {
				found = append(found, row)
			}
		}
		if page.More {
			break
		}
		if whole {
			page.Next = max(page.Next, head)
			break
		}
	}
	if err := s.notTrimmed(ctx, ns, q.After); err != nil {
		return kv.ChangePage{}, err
	}
	err := s.showChanges(ctx, ns, q, found, &page)
	return page, err
}

// readLog reads rows of the log behind a position, and tells whether these are
// all. They are in the order of their positions.
func (s *Store) readLog(ctx context.Context, ns string, after kv.Position, limit int) (rows []logRow, whole bool, err error) {
	found, err := s.pool.Query(ctx, sqlChanges, []byte(ns), int64(after), limit)
	if err != nil {
		return nil, false, err
	}
	var last, at int64
	var keys [][]byte
	var versions, previous []int64
	var kinds []int16
	n := 0
	_, err = pgx.ForEachRow(found, []any{&last, &at, &keys, &versions, &previous, &kinds}, func() error {
		n++
		if len(versions) != len(keys) || len(previous) != len(keys) || len(kinds) != len(keys) {
			return errRow
		}
		first := kv.Position(last) - kv.Position(len(keys)) + 1
		for i := range keys {
			if p := first + kv.Position(i); p > after {
				rows = append(rows, logRow{
					p, string(keys[i]), kv.Version(versions[i]), kv.Version(previous[i]), kinds[i], at,
				})
			}
		}
		return nil
	})
	return rows, n < limit, err
}

// notTrimmed refuses a position behind which changes are missing. It is asked
// after they have been read: what is removed meanwhile is refused, too.
func (s *Store) notTrimmed(ctx context.Context, ns string, after kv.Position) error {
	var head, trimmed kv.Position
	if err := s.pool.QueryRow(ctx, sqlLogState, []byte(ns)).Scan(&head, &trimmed); err != nil {
		return err
	}
	if after < trimmed {
		return kv.ErrPositionExpired
	}
	return nil
}

// showChanges adds changes to a page, with what their versions tell. A page
// that has grown too large ends early.
func (s *Store) showChanges(ctx context.Context, ns string, q kv.ChangeQuery, found []logRow, page *kv.ChangePage) error {
	bytes := 0
	for start := 0; start < len(found); start += detailsRows {
		if bytes > kv.MaxPageBytes {
			page.Next, page.More = found[start-1].position, true
			return nil
		}
		part := found[start:min(start+detailsRows, len(found))]
		details, err := s.readDetails(ctx, ns, part, q.Values)
		if err != nil {
			return err
		}
		for _, row := range part {
			c := kv.Change{
				Position: row.position, Kind: changeKind(row.kind), Key: row.key, Version: row.version, At: instant(row.at),
			}
			if row.kind == kindPut {
				d, ok := details[keyVersion{row.key, row.version}]
				if !ok {
					return kv.ErrPositionExpired // it was removed since the log was read
				}
				c.ContentType, c.Value = d.contentType, d.value
				c.Truncated = q.Values && d.size > kv.MaxChangeValueBytes
				bytes += len(c.Value)
			}
			page.Changes = append(page.Changes, c)
		}
	}
	return nil
}

type keyVersion struct {
	key     string
	version kv.Version
}

// readDetails reads what the log shows of versions.
func (s *Store) readDetails(ctx context.Context, ns string, part []logRow, values bool) (map[keyVersion]state, error) {
	keys, versions := make([][]byte, 0, len(part)), make([]int64, 0, len(part))
	for _, row := range part {
		if row.kind == kindPut {
			keys, versions = append(keys, []byte(row.key)), append(versions, int64(row.version))
		}
	}
	details := make(map[keyVersion]state, len(keys))
	if len(keys) == 0 {
		return details, nil
	}
	largest := -1 // no value
	if values {
		largest = kv.MaxChangeValueBytes
	}
	rows, err := s.pool.Query(ctx, sqlChangeDetails, repeated(ns, len(keys)), keys, versions, largest)
	if err != nil {
		return nil, err
	}
	var key, value []byte
	var version, size *int64
	var contentType *string
	_, err = pgx.ForEachRow(rows, []any{&key, &version, &size, &contentType, &value}, func() error {
		if version != nil { // else it is gone
			st := state{version: kv.Version(*version), size: *size, contentType: *contentType, value: value}
			details[keyVersion{string(key), st.version}] = st
		}
		value = nil // the row keeps it
		return nil
	})
	return details, err
}
