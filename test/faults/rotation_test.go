//go:build unix

package main

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/test/installation"
)

// TestRotatedCredentialsFailNoRequest gives each server's account a successor,
// as a rotation does: the successor's URL is in the file before the account
// goes, and with it all its connections.
func TestRotatedCredentialsFailNoRequest(t *testing.T) {
	i, err := installation.Start(t.Context(), installation.Options{Bin: programs(t), APIs: 2, Consumers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &load{ledger: newLedger(), allowance: func(time.Time) time.Duration { return cacheBound + clockSlack }}
	for n, p := range i.APIs {
		e, err := newEndpoint(fmt.Sprint("api ", n+1), p.URL)
		if err != nil {
			t.Fatal(err)
		}
		l.endpoints = append(l.endpoints, e)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	for n := range writers {
		callers.Go(func() { l.writer(t.Context(), ctx, n) })
	}
	for range readers {
		callers.Go(func() { l.reader(ctx) })
	}
	for _, rotation := range rotations(i) {
		for round, user := range []string{"first", "second"} {
			retries, failed := l.tally.retries.Load(), l.tally.failedReads.Load()
			rotate(t, i, rotation, user, []string{"", "first"}[round])
			before := l.progress()
			eventually(t, "requests go on", func() bool {
				since := l.progress().since(before)
				return since.writes > 50 && since.accepted > 50 && since.reads > 50
			})
			if n := l.tally.retries.Load() - retries; n > 0 {
				t.Errorf("%s: %d writes had to be repeated", rotation.variable, n)
			}
			if n := l.tally.failedReads.Load() - failed; n > 0 {
				t.Errorf("%s: %d reads failed", rotation.variable, n)
			}
		}
	}
	stop()
	callers.Wait()
	for _, broken := range l.ledger.broken() {
		t.Error(broken)
	}
}

// rotation makes and removes accounts of a server.
type rotation struct {
	variable string
	url      string
	add      func(ctx context.Context, user, password string) error
	remove   func(ctx context.Context, user string) error
}

func rotations(i *installation.Installation) []rotation {
	return []rotation{
		{
			"TRIVET_CACHE_URL", i.Redis.URL(),
			func(ctx context.Context, user, password string) error {
				_, err := i.Redis.Do(ctx, "ACL", "SETUSER", user, "on", ">"+password, "~*", "&*", "+@all")
				return err
			},
			func(ctx context.Context, user string) error {
				_, err := i.Redis.Do(ctx, "ACL", "DELUSER", user) // it ends the user's connections
				return err
			},
		},
		{
			"TRIVET_BROKER_URL", i.RabbitMQ.URL() + "?declare=true",
			func(ctx context.Context, user, password string) error {
				if err := i.RabbitMQ.Ctl(ctx, "add_user", user, password); err != nil {
					return err
				}
				return i.RabbitMQ.Ctl(ctx, "set_permissions", user, ".*", ".*", ".*")
			},
			func(ctx context.Context, user string) error { return i.RabbitMQ.Ctl(ctx, "delete_user", user) },
		},
		{
			"TRIVET_DATABASE_URL", i.Postgres.URL("postgres"),
			func(ctx context.Context, user, password string) error {
				return i.Postgres.Exec(ctx, "postgres", fmt.Sprintf("CREATE ROLE %s LOGIN SUPERUSER PASSWORD '%s'", user, password))
			},
			func(ctx context.Context, user string) error {
				return i.Postgres.Exec(ctx, "postgres", fmt.Sprintf(
					"ALTER ROLE %s NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'", user, user))
			},
		},
	}
}

// rotate makes an account the one that the programs sign in with, and removes
// its predecessor, "" for the one that the test itself uses.
func rotate(t *testing.T, i *installation.Installation, r rotation, user, former string) {
	t.Helper()
	if err := r.add(t.Context(), user, "password-of-"+user); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "password-of-"+user)
	if err := i.SetURL(r.variable, u.String()); err != nil {
		t.Fatal(err)
	}
	if former == "" {
		return
	}
	if err := r.remove(t.Context(), former); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
