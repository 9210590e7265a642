//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/testserver"
	"github.com/trivetkv/trivet/test/installation"
)

// TestRotatedCredentialsFailNoRequest gives each server's account a successor,
// as a rotation does: the successor's URL is in the file before the account
// goes, and with it all its connections.
func TestRotatedCredentialsFailNoRequest(t *testing.T) {
	i, err := installation.Start(t.Context(), installation.Options{Bin: bin, APIs: 2, Consumers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	var rotating atomic.Pointer[string]
	l := &load{
		ledger:    newLedger(),
		timeout:   30 * time.Second,
		allowance: func(time.Time) time.Duration { return cacheBound + clockSlack },
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.failed = func(f failure) {
		if ctx.Err() == nil {
			t.Errorf("%s is rotated, and %s answered %v", *rotating.Load(), f.endpoint, f.err)
		}
	}
	for n, p := range i.APIs {
		e, err := newEndpoint(fmt.Sprint("api ", n+1), p.URL)
		if err != nil {
			t.Fatal(err)
		}
		l.endpoints = append(l.endpoints, e)
	}
	nothing := "nothing"
	rotating.Store(&nothing)
	var callers sync.WaitGroup
	for n := range writers {
		callers.Go(func() { l.writer(t.Context(), ctx, n) })
	}
	for range readers {
		callers.Go(func() { l.reader(ctx) })
	}
	for _, rotation := range rotations(i) {
		former := rotation.account
		for _, user := range []string{"first", "second"} {
			rotating.Store(&rotation.variable)
			rotate(t, i, rotation, former, user)
			former = user
			before := l.progress()
			eventually(t, "requests go on", func() bool {
				since := l.progress().since(before)
				return since.writes > 50 && since.accepted > 50 && since.reads > 50
			})
			if err := rotation.used(t.Context(), user); err != nil {
				t.Errorf("%s: the account %s is not used: %v", rotation.variable, user, err)
			}
		}
	}
	stop()
	callers.Wait()
	for _, broken := range l.ledger.broken() {
		t.Error(broken)
	}
}

// rotation makes accounts of a server, and ends what others have open.
type rotation struct {
	variable string
	url      string
	account  string // that the programs begin with
	add      func(ctx context.Context, user, password string) error
	end      func(ctx context.Context, user string) error // takes its access away, and ends its connections
	used     func(ctx context.Context, user string) error // an error when nobody is signed in with it
}

func rotations(i *installation.Installation) []rotation {
	redis := func(ctx context.Context, args ...string) error {
		_, err := i.Redis.Do(ctx, args...)
		return err
	}
	return []rotation{
		{
			"TRIVET_CACHE_URL", i.Redis.URL(), "default",
			func(ctx context.Context, user, password string) error {
				return redis(ctx, "ACL", "SETUSER", user, "on", ">"+password, "~*", "&*", "+@all")
			},
			func(ctx context.Context, user string) error {
				if user == "default" { // which the test itself goes on with
					return redis(ctx, "CLIENT", "KILL", "USER", user)
				}
				return redis(ctx, "ACL", "DELUSER", user)
			},
			func(ctx context.Context, user string) error {
				ended, err := i.Redis.Do(ctx, "CLIENT", "KILL", "USER", user)
				if strings.TrimPrefix(ended, ":") == "0" {
					return errors.New("nobody is connected")
				}
				return err
			},
		},
		{
			"TRIVET_BROKER_URL", i.RabbitMQ.URL() + "?declare=true", testserver.RabbitMQUser,
			func(ctx context.Context, user, password string) error {
				if err := i.RabbitMQ.Ctl(ctx, "add_user", user, password); err != nil {
					return err
				}
				return i.RabbitMQ.Ctl(ctx, "set_permissions", user, ".*", ".*", ".*")
			},
			func(ctx context.Context, user string) error { return i.RabbitMQ.Ctl(ctx, "delete_user", user) },
			func(ctx context.Context, user string) error {
				return i.RabbitMQ.Ctl(ctx, "eval", fmt.Sprintf(`true = rabbit_connection_tracking:count_tracked_items_in({user, <<"%s">>}) > 0.`, user))
			},
		},
		{
			"TRIVET_DATABASE_URL", i.Postgres.URL("postgres"), testserver.PostgresSuperuser,
			func(ctx context.Context, user, password string) error {
				return i.Postgres.Exec(ctx, "postgres", fmt.Sprintf("CREATE ROLE %s LOGIN SUPERUSER PASSWORD '%s'", user, password))
			},
			func(ctx context.Context, user string) error {
				if user != testserver.PostgresSuperuser { // which the test itself goes on with
					if err := i.Postgres.Exec(ctx, "postgres", "ALTER ROLE "+user+" NOLOGIN"); err != nil {
						return err
					}
				}
				// One after another, so that a statement which is repeated does not
				// meet the next connection that has just ended.
				mine := fmt.Sprintf("FROM pg_stat_activity WHERE usename = '%s' AND application_name = 'trivet'", user)
				for i.Postgres.Exec(ctx, "postgres", "SELECT 1 / count(*) "+mine) == nil {
					if err := i.Postgres.Exec(ctx, "postgres", "SELECT pg_terminate_backend(pid) "+mine+" LIMIT 1"); err != nil {
						return err
					}
				}
				return nil
			},
			func(ctx context.Context, user string) error {
				return i.Postgres.Exec(ctx, "postgres", fmt.Sprintf("SELECT 1 / count(*) FROM pg_stat_activity WHERE usename = '%s'", user))
			},
		},
	}
}

// rotate gives an account a successor.
func rotate(t *testing.T, i *installation.Installation, r rotation, former, user string) {
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
	if err := r.end(t.Context(), former); err != nil {
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
