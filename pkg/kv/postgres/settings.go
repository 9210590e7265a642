package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// settingsAge is how long a put may go by the settings of its namespace as they
// were read. Quotas may be overshot for 5 s.
const settingsAge = 3 * time.Second

// namespaceSettings are what a put has to know of its namespace.
type namespaceSettings struct {
	defaultTTL time.Duration
	quota      bool // there is one, so that puts have to look at the usage
}

// settingsCache holds settings of namespaces that are written to.
type settingsCache struct {
	mu sync.Mutex
	of map[string]cachedSettings
}

type cachedSettings struct {
	namespaceSettings
	read time.Time
}

// maxCachedNamespaces bounds the cache.
const maxCachedNamespaces = 4096

func (c *settingsCache) get(ns string) (namespaceSettings, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.of[ns]
	return found.namespaceSettings, ok && time.Since(found.read) < settingsAge
}

func (c *settingsCache) set(ns string, settings namespaceSettings, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil || len(c.of) >= maxCachedNamespaces {
		c.of = map[string]cachedSettings{}
	}
	c.of[ns] = cachedSettings{settings, read}
}

func (c *settingsCache) drop(ns string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, ns)
}

// settingsOf gives a namespace's settings as they were at most settingsAge ago,
// or as this process has set them since.
func (s *Store) settingsOf(ctx context.Context, ns string) (namespaceSettings, error) {
	if settings, ok := s.settings.get(ns); ok {
		return settings, nil
	}
	read := time.Now()
	found, err := s.namespaces(ctx, sqlNamespacesSettings, []string{ns})
	if err != nil {
		return namespaceSettings{}, err
	}
	settings := namespaceSettings{
		defaultTTL: found[0].DefaultTTL,
		quota:      found[0].MaxKeys > 0 || found[0].MaxBytes > 0,
	}
	s.settings.set(ns, settings, read)
	return settings, nil
}

// namespaces reads namespaces by one of the queries for it, in the order of
// their names here.
func (s *Store) namespaces(ctx context.Context, query string, names []string) ([]kv.Namespace, error) {
	var found []kv.Namespace
	err := s.read(ctx, "namespaces", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, query, byteStrings(names), micros(kv.DefaultRetention))
		if err != nil {
			return err
		}
		byName, err := scanNamespaces(rows)
		if err != nil {
			return err
		}
		found = found[:0]
		for _, name := range names {
			use := byName[name]
			if use == nil {
				return errRow
			}
			found = append(found, use.Namespace)
		}
		return nil
	})
	return found, err
}

// namespaceUse is a namespace as the group under construction leaves it.
type namespaceUse struct {
	kv.Namespace
	trimmed kv.Position
}

func scanNamespaces(rows pgx.Rows) (map[string]*namespaceUse, error) {
	found := map[string]*namespaceUse{}
	var name []byte
	var ttl, retention, maxKeys, maxBytes, keys, bytes, trimmed int64
	_, err := pgx.ForEachRow(rows, []any{&name, &ttl, &retention, &maxKeys, &maxBytes, &keys, &bytes, &trimmed}, func() error {
		found[string(name)] = &namespaceUse{
			Namespace: kv.Namespace{
				Name:       string(name),
				DefaultTTL: time.Duration(ttl) * time.Microsecond,
				Retention:  time.Duration(retention) * time.Microsecond,
				MaxKeys:    maxKeys,
				MaxBytes:   maxBytes,
				Keys:       keys,
				Bytes:      bytes,
			},
			trimmed: kv.Position(trimmed),
		}
		return nil
	})
	return found, err
}

func byteStrings(texts []string) [][]byte {
	out := make([][]byte, len(texts))
	for i, text := range texts {
		out[i] = []byte(text)
	}
	return out
}

// repeated gives a namespace once for each of n keys: statements join arrays of
// both, so that a planner looks up each key and never reads the namespace.
func repeated(ns string, n int) [][]byte { return slices.Repeat([][]byte{[]byte(ns)}, n) }
