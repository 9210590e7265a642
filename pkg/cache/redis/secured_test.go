//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/pkg/testserver"
)

func TestTLSWithCertificatesThatAreRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ca, serverCert, serverKey, clientCert, clientKey string
	issue := func() {
		a := certstest.NewAuthority(t)
		ca = a.WriteCA(dir)
		serverCert, serverKey = a.Write(dir, "server", 2)
		clientCert, clientKey = a.Write(dir, "client", 3)
	}
	issue()
	port, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := testserver.NewRedis(t, fmt.Sprintf("tls-port %d", port),
		"tls-cert-file "+serverCert, "tls-key-file "+serverKey, "tls-ca-cert-file "+ca)
	open := func(parameters string) (*redis.Cache, error) {
		c, err := redis.New(parse(t, fmt.Sprintf("rediss://127.0.0.1:%d/?%s", port, parameters)), redis.Options{
			Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler), Timeout: patient,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Stop(context.Background()) })
		return c, c.Start(t.Context())
	}
	for parameters, want := range map[string]string{
		"":                     "certificate", // of an authority that nobody knows
		"ca=" + ca:             "",            // refused by the server, which says so in its own words
		"ca=" + ca + ".absent": "read the authorities",
		"ca=" + clientKey:      "no PEM certificate",
	} {
		if _, err := open(parameters); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", parameters, err, want)
		}
	}
	c, err := open("ca=" + ca + "&cert=" + clientCert + "&key=" + clientKey)
	if err != nil {
		t.Fatal(err)
	}

	issue() // another authority takes over
	if _, err := r.Do(t.Context(), "CONFIG", "SET", "tls-cert-file", serverCert, "tls-key-file", serverKey, "tls-ca-cert-file", ca); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
}

func TestARotatedPasswordComesIntoUse(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	setPassword := func(password string) {
		t.Helper()
		if _, err := r.Do(t.Context(), "ACL", "SETUSER", "trivet", "on", "resetpass", ">"+password, "~*", "+@all"); err != nil {
			t.Fatal(err)
		}
	}
	var current atomic.Value
	current.Store("the first")
	setPassword("the first")
	c, err := redis.New(parse(t, r.URL()), redis.Options{
		Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler), Timeout: patient,
		Credentials: func(context.Context) (string, string, error) { return "trivet", current.Load().(string), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	setPassword("the second")
	current.Store("the second")
	if _, err := r.Do(t.Context(), "CLIENT", "KILL", "USER", "trivet"); err != nil {
		t.Fatal(err)
	}
	if err := c.Begin(t.Context(), []cache.Key{{Namespace: space, Key: "k"}}, 1, time.Second); err != nil {
		t.Error(err)
	}
}

func TestAServerWithoutEvictionIsWarnedOf(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]bool{"noeviction": true, "allkeys-lru": false} {
		r := testserver.NewRedis(t, "maxmemory-policy "+policy)
		var log strings.Builder
		c, err := redis.New(parse(t, r.URL()), redis.Options{Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "noeviction"); got != want {
			t.Errorf("%s: warned %v, want %v", policy, got, want)
		}
	}
}

func TestAReplicaIsRefused(t *testing.T) {
	t.Parallel()
	s := testserver.SharedRedisSentinel(t)
	primary := s.Primary(t.Context())
	for _, server := range s.Servers {
		if server == primary {
			continue
		}
		c, err := redis.New(parse(t, server.URL()), redis.Options{Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "replica") {
			t.Errorf("started with %v", err)
		}
		if err := c.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStepsEndWithTheCache(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	c, err := redis.New(parse(t, r.URL()), redis.Options{Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler), Timeout: patient})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("stop before start: %v", err)
	}
	if c, err = redis.New(parse(t, r.URL()), redis.Options{Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler), Timeout: patient}); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	for range 10 {
		go func() {
			ended <- c.Begin(context.WithoutCancel(t.Context()), []cache.Key{{Namespace: space, Key: "k"}}, 1, time.Second)
		}()
	}
	for range 2 {
		if err := c.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		if err := <-ended; err == nil {
			t.Error("a step on a paused Redis was confirmed")
		}
	}
}
