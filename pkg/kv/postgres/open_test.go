//go:build unix

package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/testserver"
)

func mustExec(t *testing.T, server *testserver.Postgres, database, statements string) {
	t.Helper()
	if err := server.Exec(t.Context(), strings.TrimPrefix(database, "/"), statements); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestMigrateTwiceAtOnce(t *testing.T) {
	t.Parallel()
	server := testserver.SharedPostgres(t)
	database := server.NewURL(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Options{URL: database, MaxConns: 4, StartTimeout: 20 * time.Second})
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if _, err := s.Apply(t.Context(), space, increment("n"), kv.Identity{}); err != nil {
				t.Errorf("increment: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	if got := get(t, open(t, postgres.Options{URL: database}), "n"); got != "6" {
		t.Fatalf("n is %s", got)
	}
}

// TestMigrationsInOrder runs what is new, all of it or nothing.
func TestMigrationsInOrder(t *testing.T) {
	t.Parallel()
	server := testserver.SharedPostgres(t)
	database := server.NewURL(t)
	s := open(t, postgres.Options{URL: database})
	files := fstest.MapFS{
		"migrations/0001_initial.sql": {Data: []byte("is not run again")},
		"migrations/0002_next.sql":    {Data: []byte("CREATE TABLE trivet.next (v INT8); INSERT INTO trivet.next VALUES (1)")},
		"migrations/0003_bad.sql":     {Data: []byte("INSERT INTO trivet.next VALUES (2); SELECT nonsense")},
	}
	if err := s.Migrate(t.Context(), files); err == nil || !strings.Contains(err.Error(), "0003_bad.sql") {
		t.Fatalf("a migration that fails: %v", err)
	}
	files["migrations/0003_bad.sql"] = &fstest.MapFile{Data: []byte("INSERT INTO trivet.next VALUES (2)")}
	for range 2 {
		if err := s.Migrate(t.Context(), files); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, server, parse(t, database).Path, `DO $$ BEGIN
		IF (SELECT sum(v) FROM trivet.next) <> 3 THEN RAISE 'a migration was run twice'; END IF; END $$`)
}

// TestOpenRefuses holds that what cannot work is refused at once, with one line
// that says why and no password.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := testserver.SharedPostgres(t)
	database := server.NewURL(t)
	if err := open(t, postgres.Options{URL: database}).Close(); err != nil {
		t.Fatal(err)
	}
	empty := server.NewURL(t)
	name := strings.TrimPrefix(parse(t, empty).Path, "/")
	mustExec(t, server, name, "CREATE ROLE powerless_"+name+" LOGIN PASSWORD 'powerless'")
	port, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	with := func(base string, change func(*url.URL)) string {
		u := parse(t, base)
		change(u)
		return u.String()
	}
	newer := server.NewURL(t)
	if err := open(t, postgres.Options{URL: newer}).Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, server, parse(t, newer).Path, "UPDATE trivet.schema_version SET version = 999")

	for name, tt := range map[string]struct{ url, want string }{
		"another scheme":        {"mysql://trivet:secret@127.0.0.1/db", "URL"},
		"no URL at all":         {"://:secret@", "URL"},
		"unreachable host":      {fmt.Sprintf("postgres://trivet:secret@127.0.0.1:%d/db", port), "refused"},
		"wrong password":        {with(database, func(u *url.URL) { u.User = url.UserPassword("trivet", "secret") }), "password authentication failed"},
		"no such database":      {with(database, func(u *url.URL) { u.Path = "/nowhere" }), "does not exist"},
		"missing privilege":     {with(empty, func(u *url.URL) { u.User = url.UserPassword("powerless_"+name, "powerless") }), "permission denied"},
		"a newer schema":        {newer, "version 999"},
		"TLS that is not there": {with(database, func(u *url.URL) { u.RawQuery = "sslmode=require" }), "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			s, err := postgres.Open(t.Context(), postgres.Options{URL: tt.url})
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			text := err.Error()
			if !strings.Contains(text, tt.want) || strings.Contains(text, "secret") || strings.Contains(text, "\n") {
				t.Errorf("the error is %q, want %q in it", text, tt.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestOpenRefusesAForgetfulServer holds that no server is used that acknowledges
// what is not on disk.
func TestOpenRefusesAForgetfulServer(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t, "fsync = off")
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: server.NewURL(t)}); err == nil || !strings.Contains(err.Error(), "fsync off") {
		t.Fatalf("fsync off: %v", err)
	}
	durable := testserver.SharedPostgres(t)
	database := durable.NewURL(t)
	name := strings.TrimPrefix(parse(t, database).Path, "/")
	mustExec(t, durable, name, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: database}); err == nil || !strings.Contains(err.Error(), "synchronous_commit off") {
		t.Fatalf("synchronous_commit off: %v", err)
	}
	mustExec(t, durable, name, "ALTER DATABASE "+name+" RESET synchronous_commit")
}

func TestPoolIsSizedByTheServer(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t, "max_connections = 63", "superuser_reserved_connections = 3")
	database := server.NewURL(t)
	for asked, want := range map[int]int{0: 12, 5: 5} {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: database, MaxConns: asked, StartTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.MaxConns(); got != want {
			t.Errorf("asked for %d: %d connections, want %d", asked, got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCredentialsAreRotated changes the password while the store is in use.
func TestCredentialsAreRotated(t *testing.T) {
	t.Parallel()
	server := testserver.SharedPostgres(t)
	database := server.NewURL(t)
	name := strings.TrimPrefix(parse(t, database).Path, "/")
	role := "rotated_" + name
	mustExec(t, server, name, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'first'; GRANT ALL ON DATABASE %s TO %s", role, name, role))
	t.Cleanup(func() {
		if err := server.Exec(context.Background(), name, "DROP OWNED BY "+role); err != nil {
			t.Error(err)
		}
	})
	u := parse(t, database)
	u.User = url.UserPassword(role, "first")
	file := filepath.Join(t.TempDir(), "url")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(u.String())
	var mu sync.Mutex
	password := "first"
	byFile := open(t, postgres.Options{URLFile: file})
	u.User = url.User(role)
	byHook := open(t, postgres.Options{URL: u.String(), Password: func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return password, nil
	}})
	for _, s := range []*postgres.Store{byFile, byHook} {
		apply(t, s, increment("n"))
	}

	mustExec(t, server, name, fmt.Sprintf("ALTER ROLE %s PASSWORD 'second'", role))
	u.User = url.UserPassword(role, "second")
	write(u.String())
	mu.Lock()
	password = "second"
	mu.Unlock()
	for _, s := range []*postgres.Store{byFile, byHook} {
		s.DropConnections()
		for range 3 {
			apply(t, s, increment("n"))
		}
	}
	if got := get(t, byFile, "n"); got != "8" {
		t.Fatalf("n is %s", got)
	}
}
