package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Namespace implements [kv.Store].
func (s *Store) Namespace(ctx context.Context, ns string) (kv.Namespace, error) {
	found, err := s.namespaces(ctx, sqlNamespacesUsage, []string{ns})
	if err != nil {
		return kv.Namespace{}, err
	}
	return found[0], nil
}

// Namespaces implements [kv.Store].
func (s *Store) Namespaces(ctx context.Context, after string, limit int) (kv.NamespacePage, error) {
	var names []string
	err := s.read(ctx, "namespaces", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sqlNamespaceNames, []byte(after), limit+1)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		names = names[:0]
		for _, name := range found {
			names = append(names, string(name))
		}
		return err
	})
	if err != nil || len(names) == 0 {
		return kv.NamespacePage{}, err
	}
	var page kv.NamespacePage
	if len(names) > limit {
		names = names[:limit]
		page.Cursor = names[limit-1]
	}
	page.Namespaces, err = s.namespaces(ctx, sqlNamespacesUsage, names)
	return page, err
}

// SetNamespace implements [kv.Store]. Other processes go by the new settings
// within 5 s.
func (s *Store) SetNamespace(ctx context.Context, n kv.Namespace) (kv.Namespace, error) {
	defer s.settings.drop(n.Name)
	err := s.read(ctx, "set_namespace", func(ctx context.Context) error { // it may be repeated as a read may
		_, err := s.pool.Exec(ctx, sqlSetNamespace, []byte(n.Name), micros(n.DefaultTTL), micros(n.Retention), n.MaxKeys, n.MaxBytes)
		return err
	})
	if err != nil {
		return kv.Namespace{}, err
	}
	return s.Namespace(ctx, n.Name)
}
