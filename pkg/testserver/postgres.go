//go:build unix

package testserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

var postgresProgram = Program{
	Name:     "PostgreSQL",
	Binary:   "postgres",
	Dirs:     []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"},
	Packages: []string{"postgresql"},
	Others:   "Fedora: sudo dnf install postgresql-server. macOS: brew install postgresql@17.",
}

// Postgres is a PostgreSQL server. It syncs commits to the disk and asks every
// connection for a password; TLS is off until [Postgres.Certify].
type Postgres struct {
	*Server
	port      int
	data      string
	account   *Account
	password  string
	databases atomic.Int64

	mu    sync.Mutex
	empty []string // databases that tests have left
}

// PostgresSuperuser is the account that [Postgres.URL] signs in with.
const PostgresSuperuser = "trivet"

// StartPostgres runs a PostgreSQL server. Settings are lines of its
// configuration file, such as "max_connections = 20".
func StartPostgres(ctx context.Context, settings ...string) (*Postgres, error) {
	path, err := postgresProgram.Find(ctx)
	if err != nil {
		return nil, err
	}
	account, err := Unprivileged("postgres", "nobody")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := NewDir("postgres", account)
	if err != nil {
		return nil, err
	}
	p := &Postgres{port: port, data: filepath.Join(dir, "data"), account: account, password: rand.Text()}
	if err := p.initialize(ctx, path); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	settings = append([]string{
		"port = " + strconv.Itoa(port),
		"listen_addresses = '127.0.0.1'",
		"unix_socket_directories = ''",
		"max_connections = 400",
		"shared_buffers = '128MB'",
		"max_wal_size = '2GB'",
	}, settings...)
	if err := appendTo(filepath.Join(p.data, "postgresql.conf"), strings.Join(settings, "\n")+"\n"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p.Server, err = Start(ctx, Spec{
		Name:    "PostgreSQL",
		Path:    path,
		Args:    []string{"-D", p.data},
		Dir:     dir,
		Account: account,
		Ready:   p.ping,
		Quit:    syscall.SIGINT, // a fast shutdown: connections are ended
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// initialize makes the server's data directory. It is not synced: a machine
// that crashes during a test loses the test too.
func (p *Postgres) initialize(ctx context.Context, postgres string) error {
	secret := filepath.Join(filepath.Dir(p.data), "password")
	if err := p.write(secret, []byte(p.password)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(postgres), "initdb"), //nolint:gosec // beside the server
		"--pgdata", p.data, "--username", PostgresSuperuser, "--pwfile", secret,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Dir = filepath.Dir(p.data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initialize PostgreSQL: %w\n%s", err, out)
	}
	return nil
}

// write makes a file that only the server's account can read.
func (p *Postgres) write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write a file of PostgreSQL: %w", err)
	}
	if p.account == nil {
		return nil
	}
	if err := os.Chown(path, int(p.account.uid), int(p.account.gid)); err != nil {
		return fmt.Errorf("write a file of PostgreSQL: %w", err)
	}
	return nil
}

// Certify lets the server speak TLS, from its next connection on, with a
// certificate and its key in PEM.
func (p *Postgres) Certify(ctx context.Context, cert, key []byte) error {
	err := errors.Join(p.write(filepath.Join(p.data, "server.crt"), cert), p.write(filepath.Join(p.data, "server.key"), key))
	for _, statement := range []string{"ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"} {
		if err == nil {
			err = p.Exec(ctx, "postgres", statement)
		}
	}
	return err
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	return nil
}

func (p *Postgres) ping(ctx context.Context) error {
	return p.Exec(ctx, "postgres", "SELECT 1")
}

// Addr gives the server's host and port.
func (p *Postgres) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// URL gives what to connect to a database with, as the superuser.
func (p *Postgres) URL(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(PostgresSuperuser, p.password),
		Host: p.Addr(), Path: "/" + database,
	}).String()
}

// Exec runs statements, separated by semicolons, as the superuser.
func (p *Postgres) Exec(ctx context.Context, database, statements string) error {
	conn, err := pgx.Connect(ctx, p.URL(database))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = conn.PgConn().Exec(ctx, statements).ReadAll()
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("run a statement on PostgreSQL: %w", err)
	}
	return nil
}

// CreateDatabase makes an empty database and gives its name.
func (p *Postgres) CreateDatabase(ctx context.Context) (string, error) {
	name := fmt.Sprintf("db%d", p.databases.Add(1))
	return name, p.Exec(ctx, "postgres", "CREATE DATABASE "+name)
}

var sharedPostgres = Shared[*Postgres]{
	Start: func(ctx context.Context) (*Postgres, error) { return StartPostgres(ctx) },
}

// SharedPostgres gives the server that the test binary shares. A test may not
// stop it or change its settings.
func SharedPostgres(tb testing.TB) *Postgres {
	tb.Helper()
	return sharedPostgres.Get(tb)
}

// PostgresURL gives the URL of an empty database on the shared server.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	return SharedPostgres(tb).NewURL(tb)
}

// NewPostgres runs a server of the test's own.
func NewPostgres(tb testing.TB, settings ...string) *Postgres {
	tb.Helper()
	return Own(tb, func(ctx context.Context) (*Postgres, error) { return StartPostgres(ctx, settings...) })
}

// NewURL gives the URL of an empty database. When the test has ended, others
// may get the database, emptied: to drop one takes PostgreSQL a checkpoint.
func (p *Postgres) NewURL(tb testing.TB) string {
	tb.Helper()
	name, err := p.database(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if p.PID() == 0 {
			return
		}
		if err := p.Exec(context.Background(), name, emptyDatabase); err != nil {
			return // somebody still uses it
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.empty = append(p.empty, name)
	})
	return p.URL(name)
}

// emptyDatabase ends other sessions and drops every schema.
const emptyDatabase = `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$
DECLARE name text;
BEGIN
	FOR name IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', name);
	END LOOP;
	CREATE SCHEMA public;
END $$`

// database gives the name of an empty database.
func (p *Postgres) database(ctx context.Context) (string, error) {
	p.mu.Lock()
	if n := len(p.empty); n > 0 {
		name := p.empty[n-1]
		p.empty = p.empty[:n-1]
		p.mu.Unlock()
		return name, nil
	}
	p.mu.Unlock()
	return p.CreateDatabase(ctx)
}
