package postgres

import (
	"context"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Version implements [kv.Store].
func (s *Store) Version(ctx context.Context, ns, key string, v kv.Version) (kv.Entry, error) {
	var st state
	var now, head int64
	err := s.read(ctx, "version", func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, sqlVersion, []byte(ns), []byte(key), int64(v), s.clock()).Scan(
			&now, &head, &st.version, &st.kind, &st.created, &st.updated, &st.expires, &st.size, &st.contentType, &st.meta,
			&st.value,
		)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return kv.Entry{}, err
	}
	if st.kind != kindPut {
		return kv.Entry{Key: key, Source: kv.SourceDatabase}, kv.Errorf(kv.CodeNotFound,
			"the version does not exist, is past retention, or is a deletion")
	}
	return st.entry(key, now, head)
}

// History implements [kv.Store].
func (s *Store) History(ctx context.Context, ns, key string, q kv.HistoryQuery) (kv.HistoryPage, error) {
	below, err := q.Below()
	if err != nil {
		return kv.HistoryPage{}, err
	}
	if below == 0 {
		below = math.MaxInt64
	}
	var page kv.HistoryPage
	err = s.read(ctx, "history", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sqlHistory, []byte(ns), []byte(key), int64(below), q.Limit+1)
		if err != nil {
			return err
		}
		page = kv.HistoryPage{}
		var entry kv.HistoryEntry
		var kind int16
		var at int64
		_, err = pgx.ForEachRow(rows, []any{&entry.Version, &kind, &at, &entry.Size, &entry.ContentType}, func() error {
			entry.Op, entry.At = changeKind(kind), instant(at)
			page.Versions = append(page.Versions, entry)
			return nil
		})
		return err
	})
	if err != nil {
		return kv.HistoryPage{}, err
	}
	if len(page.Versions) > q.Limit {
		page.Versions = page.Versions[:q.Limit]
		page.Cursor = q.CursorBelow(page.Versions[q.Limit-1].Version)
	}
	return page, nil
}
