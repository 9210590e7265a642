package pebble_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/pebble"
)

func open(t testing.TB, dir string, opts pebble.Options) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(dir, opts)
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func openMem(t testing.TB) *pebble.Store {
	return open(t, "store", pebble.Options{FS: vfs.NewMem()})
}

func put(t testing.TB, s kv.Store, ns, key, value string) kv.Version {
	t.Helper()
	res, err := s.Apply(context.Background(), ns, kv.Operation{Kind: kv.KindPut, Key: key, Value: []byte(value)}, kv.Identity{})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return res.Version
}

func get(t testing.TB, s kv.Store, ns, key string) string {
	t.Helper()
	e, err := s.Get(context.Background(), ns, key, kv.ReadOptions{})
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(e.Value)
}

func TestWritesOutliveAReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := put(t, s, "a", "k", "v")
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	t.Log("close", time.Since(start))
	start = time.Now()
	s = open(t, dir, pebble.Options{})
	t.Log("open", time.Since(start))
	if got := get(t, s, "a", "k"); got != "v" {
		t.Errorf("got %q", got)
	}
	if v2 := put(t, s, "a", "k", "w"); v2 <= v {
		t.Errorf("version %d after %d", v2, v)
	}
	if _, err := s.Get(context.Background(), "a", "none", kv.ReadOptions{}); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("absent key: %v", err)
	}
}
