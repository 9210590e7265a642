package backends_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/backends"
	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
)

// settings reads backends from the texts of their variables.
func settings(t *testing.T, database, cache, broker string) config.Backends {
	t.Helper()
	var cfg config.Backends
	if err := config.Load([]string{
		"TRIVET_DATABASE_URL=" + database, "TRIVET_CACHE_URL=" + cache, "TRIVET_BROKER_URL=" + broker,
	}, &cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func in(scheme, dir string) string { return (&url.URL{Scheme: scheme, Path: dir}).String() }

func quiet() backends.Options {
	return backends.Options{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()}
}

func TestEmbeddedBackendsKeepWhatTheyWereGiven(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "with space & 100%")
	cfg := settings(t, in("pebble", filepath.Join(dir, "store")), "memory://?size=1MiB", in("jetstream", filepath.Join(dir, "queue")))
	b, err := backends.Open(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Apply(t.Context(), "ns", kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v")}, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Broker.Publish(t.Context(), broker.Message{ID: "1", Key: "k", Body: []byte("m")}); err != nil {
		t.Fatal(err)
	}
	for _, c := range health.Check(t.Context(), b.Dependencies()) {
		if c.State != "up" {
			t.Errorf("%+v", c)
		}
	}
	if _, err := b.Maintainer.Sweep(t.Context(), 10); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range health.Check(t.Context(), b.Dependencies()) {
		if c.State != "down" {
			t.Errorf("closed, and %+v", c)
		}
	}

	if b, err = backends.Open(cfg, quiet()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	entry, err := b.Store.Get(t.Context(), "ns", "k", kv.ReadOptions{})
	if err != nil || string(entry.Value) != "v" {
		t.Errorf("%q, %v", entry.Value, err)
	}
	stats, err := b.Broker.Stats(t.Context())
	if err != nil || stats.Ready != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestWithoutABroker(t *testing.T) {
	t.Parallel()
	b, err := backends.Open(settings(t, in("pebble", t.TempDir()), "memory://", "none"), quiet())
	if err != nil {
		t.Fatal(err)
	}
	if b.Broker != nil || len(b.Dependencies()) != 1 {
		t.Errorf("broker %v, dependencies %v", b.Broker, b.Dependencies())
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestABackendThatCannotBeOpenedNamesItsVariable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	store := in("pebble", filepath.Join(t.TempDir(), "store"))
	for name, c := range map[string]struct{ database, cache, broker, want string }{
		"database": {
			"sqlite:///x.db", "memory://", "none",
			`TRIVET_DATABASE_URL: unknown scheme "sqlite"; supported: pebble, postgres, postgresql`,
		},
		"cache": {
			store, "memcached://host", "none",
			`TRIVET_CACHE_URL: unknown scheme "memcached"; supported: memory, none, redis, redis+cluster, redis+sentinel, rediss, rediss+cluster, rediss+sentinel`,
		},
		"broker": {
			store, "memory://", "kafka://host",
			`TRIVET_BROKER_URL: unknown scheme "kafka"; supported: amqp, amqps, jetstream, none`,
		},
		"relative directory": {
			"pebble://data/store", "memory://", "none",
			"TRIVET_DATABASE_URL: it names no directory; expected pebble:///DIRECTORY, an absolute path",
		},
		"opaque directory": {
			"pebble:data", "memory://", "none",
			"TRIVET_DATABASE_URL: it names no directory; expected pebble:///DIRECTORY, an absolute path",
		},
		"root": {
			store, "memory://", "jetstream:///",
			"TRIVET_BROKER_URL: it names no directory; expected jetstream:///DIRECTORY, an absolute path",
		},
		"parameter": {
			store + "?fsync=off", "memory://", "none",
			`TRIVET_DATABASE_URL: unknown parameter "fsync"`,
		},
		"size": {
			store, "memory://?size=much", "none",
			"TRIVET_CACHE_URL: the size is malformed; expected a size such as 64MiB",
		},
		"place of a cache": {
			store, "memory://host", "none",
			"TRIVET_CACHE_URL: it names a place; expected memory://?size=64MiB",
		},
	} {
		t.Run(name, func(t *testing.T) { // one after another: they share a directory
			_, err := backends.Open(settings(t, c.database, c.cache, c.broker), quiet())
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}

	_, err := backends.Open(settings(t, store, "memory://", in("jetstream", file)), quiet())
	if err == nil || !strings.HasPrefix(err.Error(), "TRIVET_BROKER_URL: ") || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a directory: %v", err)
	}
	// What was opened beside it is closed again, so the directory is free.
	b, err := backends.Open(settings(t, store, "memory://", "none"), quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestADirectoryInUseIsToldInOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := backends.Open(settings(t, in("pebble", dir+"/store"), "memory://", in("jetstream", dir+"/queue")), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	for _, cfg := range []config.Backends{
		settings(t, in("pebble", dir+"/store"), "memory://", "none"),
		settings(t, in("pebble", t.TempDir()), "memory://", in("jetstream", dir+"/queue")),
	} {
		_, err := backends.Open(cfg, quiet())
		if err == nil {
			t.Fatal("two processes have one directory open")
		}
		if text := fmt.Sprint(err); strings.Contains(text, "\n") || !strings.Contains(text, dir) || !strings.Contains(text, "process") {
			t.Errorf("%s", text)
		}
	}
}
