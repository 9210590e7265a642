package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Bounds of the connections of one process, and its share of what the server
// allows: an installation has a handful of processes.
const (
	minConns    = 4
	maxConns    = 64
	serverShare = 5
)

// Connections are renewed in the end, so that one that outlived a failover or
// a rotation does not stay for ever.
const (
	connLifetime = 30 * time.Minute
	connJitter   = 5 * time.Minute
)

// connect makes the pool of connections. The server is asked first how many it
// can give.
func connect(ctx, life context.Context, opts Options) (*pgxpool.Pool, error) {
	settings, err := poolSettings(opts)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, settings)
	if err != nil {
		return nil, startError("connect to the database", err)
	}
	found, err := serverSettings(ctx, conn)
	err = errors.Join(err, conn.Close(ctx))
	if err != nil {
		return nil, startError("read the database's settings", err)
	}
	if err := found.check(); err != nil {
		return nil, err
	}
	settings.MaxConns = int32(found.poolSize(opts.MaxConns)) //nolint:gosec // small
	pool, err := pgxpool.NewWithConfig(life, settings)
	if err != nil {
		return nil, startError("connect to the database", err)
	}
	return pool, nil
}

// dial makes the first connection in the way in which the pool makes its own.
func dial(ctx context.Context, settings *pgxpool.Config) (*pgx.Conn, error) {
	first := settings.ConnConfig.Copy()
	if err := settings.BeforeConnect(ctx, first); err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, first)
}

// source gives the URL as it is now.
func source(opts Options) (string, error) {
	if opts.URLFile == "" {
		return opts.URL, nil
	}
	text, err := os.ReadFile(opts.URLFile)
	if err != nil {
		return "", fmt.Errorf("read the database's URL: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func poolSettings(opts Options) (*pgxpool.Config, error) {
	url, err := source(opts)
	if err != nil {
		return nil, err
	}
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, parseError(err)
	}
	settings.MaxConnLifetime, settings.MaxConnLifetimeJitter = connLifetime, connJitter
	settings.ConnConfig.ConnectTimeout = opts.ConnectTimeout
	prepare(settings.ConnConfig, opts)
	settings.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error { return refresh(ctx, c, opts) }
	settings.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		found, err := serverSettings(ctx, conn)
		if err != nil {
			return err
		}
		if err := found.check(); err != nil { // a failover may have led to another server
			return err
		}
		_, err = conn.Exec(ctx, sqlPlannerSettings)
		return err
	}
	return settings, nil
}

// parseError leaves the URL, which has a password in it, out of the error.
func parseError(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		if cause := parse.Unwrap(); cause != nil {
			return fmt.Errorf("the database's URL cannot be used: %w", cause)
		}
	}
	return errors.New("the database's URL cannot be used: it is not of the form postgres://user:password@host:port/name")
}

// prepare sets what every connection needs.
func prepare(c *pgx.ConnConfig, opts Options) {
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "trivet"
	}
	timeout := strconv.FormatInt(opts.StatementTimeout.Milliseconds(), 10)
	c.RuntimeParams["statement_timeout"] = timeout
	// A process that stops in the middle of a transaction, or is cut off, must
	// not hold its locks.
	c.RuntimeParams["idle_in_transaction_session_timeout"] = timeout
	c.RuntimeParams["default_transaction_isolation"] = "read committed"
	if c.ValidateConnect == nil {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	// A caller that gives up lets its statement end, or be cancelled: closing
	// the connection instead would cost the next caller a new one.
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{
			Conn: conn, CancelRequestDelay: 100 * time.Millisecond, DeadlineDelay: time.Second,
		}
	}
}

// refresh takes credentials and certificates as they are now.
func refresh(ctx context.Context, c *pgx.ConnConfig, opts Options) error {
	url, err := source(opts)
	if err != nil {
		return err
	}
	settings, err := pgxpool.ParseConfig(url) // takes what is the pool's out of the URL
	if err != nil {
		return parseError(err)
	}
	now := settings.ConnConfig
	c.Host, c.Port, c.Database, c.Fallbacks = now.Host, now.Port, now.Database, now.Fallbacks
	c.User, c.Password, c.TLSConfig = now.User, now.Password, now.TLSConfig
	if opts.Password == nil {
		return nil
	}
	if c.Password, err = opts.Password(ctx); err != nil {
		return fmt.Errorf("get the database's password: %w", err)
	}
	return nil
}

// server is what a server says of itself.
type server map[string]string

func serverSettings(ctx context.Context, conn *pgx.Conn) (server, error) {
	rows, err := conn.Query(ctx, sqlServerSettings)
	if err != nil {
		return nil, err
	}
	found := server{}
	var name, setting string
	_, err = pgx.ForEachRow(rows, []any{&name, &setting}, func() error {
		found[name] = setting
		return nil
	})
	return found, err
}

// check refuses a server that acknowledges what is not on disk.
func (s server) check() error {
	for _, name := range []string{"fsync", "synchronous_commit"} {
		if s[name] == "off" {
			return fmt.Errorf("the database has %s off, so that it would lose acknowledged writes; set it on", name)
		}
	}
	return nil
}

// poolSize gives how many connections this process may have.
func (s server) poolSize(asked int) int {
	if asked > 0 {
		return asked
	}
	limit, err := strconv.Atoi(s["max_connections"])
	if err != nil {
		return minConns
	}
	reserved, err := strconv.Atoi(s["superuser_reserved_connections"])
	if err != nil {
		reserved = 0
	}
	return min(max((limit-reserved)/serverShare, minConns), maxConns)
}
