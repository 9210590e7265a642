package pebble

import (
	"context"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// reservedPrefix starts the names of namespaces that are never listed.
const reservedPrefix = "_"

// Namespace implements [kv.Store].
func (s *Store) Namespace(ctx context.Context, ns string) (kv.Namespace, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.Namespace{}, err
	}
	defer leave()
	row, _, err := readNamespace(s.db, ns)
	if err != nil {
		return kv.Namespace{}, err
	}
	if err := s.settle(ctx); err != nil {
		return kv.Namespace{}, err
	}
	return row.namespace(ns), nil
}

// Namespaces implements [kv.Store].
func (s *Store) Namespaces(ctx context.Context, after string, limit int) (kv.NamespacePage, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return kv.NamespacePage{}, err
	}
	defer leave()
	v, err := newView(s.db, append(namespaceKey(nil, after), 0), []byte{tableNamespace + 1})
	if err != nil {
		return kv.NamespacePage{}, err
	}
	defer v.close()
	var page kv.NamespacePage
	for valid := v.First(); valid; valid = v.Next() {
		name := string(v.Key()[1:])
		if strings.HasPrefix(name, reservedPrefix) {
			continue
		}
		if len(page.Namespaces) == limit {
			page.Cursor = page.Namespaces[limit-1].Name
			break
		}
		value, err := v.ValueAndErr()
		if err != nil {
			return kv.NamespacePage{}, readError(err)
		}
		row, err := decodeNamespace(value)
		if err != nil {
			return kv.NamespacePage{}, readError(err)
		}
		page.Namespaces = append(page.Namespaces, row.namespace(name))
	}
	if err := v.rowsError(); err != nil {
		return kv.NamespacePage{}, err
	}
	return page, s.settle(ctx)
}

// SetNamespace implements [kv.Store].
func (s *Store) SetNamespace(ctx context.Context, n kv.Namespace) (kv.Namespace, error) {
	var after kv.Namespace
	err := s.commit(ctx, 0, func(b *builder) error {
		use, err := b.namespace(n.Name)
		if err != nil {
			return err
		}
		use.defaultTTL, use.retention = n.DefaultTTL, n.Retention
		use.maxKeys, use.maxBytes = n.MaxKeys, n.MaxBytes
		use.dirty = true
		after = use.namespace(n.Name)
		return nil
	})
	if err != nil {
		return kv.Namespace{}, err
	}
	return after, nil
}

// readNamespace gives a namespace's row, defaults and false when it has none.
func readNamespace(db getter, ns string) (namespaceRow, bool, error) {
	value, err := readRow(db, namespaceKey(nil, ns))
	if err != nil {
		return namespaceRow{}, false, readError(err)
	}
	if value == nil {
		return newNamespaceRow(), false, nil
	}
	row, err := decodeNamespace(value)
	if err != nil {
		return namespaceRow{}, false, readError(err)
	}
	return row, true, nil
}

func (n *namespaceRow) namespace(name string) kv.Namespace {
	return kv.Namespace{
		Name:       name,
		DefaultTTL: n.defaultTTL,
		Retention:  n.retention,
		MaxKeys:    n.maxKeys,
		MaxBytes:   n.maxBytes,
		Keys:       n.keys,
		Bytes:      n.bytes,
	}
}
