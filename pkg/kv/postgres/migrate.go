package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Migrations are files that begin with their number. One that has been released
// never changes; the next one changes the schema further.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the last migration. Starts at once wait for each
// other at the row that holds the schema's version. A schema that is in order is
// only read, so that a process needs no right to change it.
func migrate(ctx context.Context, pool *pgxpool.Pool, files fs.FS) error {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("find migrations: %w", err)
	}
	for i, name := range names {
		var number int
		if _, err := fmt.Sscanf(name, "migrations/%04d_", &number); err != nil || number != i+1 {
			return fmt.Errorf("migration %d has the name %s", i+1, name)
		}
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := ensureVersion(ctx, conn.Conn()); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, conn.Conn(), sqlSchemaVersion)
	if err != nil {
		return err
	}
	if version == len(names) {
		return nil
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		version, err := schemaVersion(ctx, tx.Conn(), sqlSchemaVersionLock)
		if err != nil {
			return err
		}
		if version > len(names) {
			return fmt.Errorf("the schema has version %d and this program knows %d: a newer one has migrated it; %w",
				version, len(names), errNewerSchema)
		}
		for _, name := range names[version:] {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				return fmt.Errorf("read a migration: %w", err)
			}
			if _, err := tx.Conn().PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		_, err = tx.Exec(ctx, sqlSchemaVersionSet, len(names))
		return err
	})
}

var errNewerSchema = errors.New("run that program, or restore a backup from before")

// ensureVersion makes the schema and the row of its version where they are not
// there. Whoever comes second at the same moment may be told that they exist.
func ensureVersion(ctx context.Context, conn *pgx.Conn) error {
	for attempt := 0; ; attempt++ {
		err := createVersion(ctx, conn)
		var pg *pgconn.PgError
		raced := errors.As(err, &pg) && (pg.Code == codeDuplicate || pg.Code == "42P06" || pg.Code == "42P07")
		if !raced || attempt == readAttempts {
			return err
		}
	}
}

func createVersion(ctx context.Context, conn *pgx.Conn) error {
	var schema, table bool
	if err := conn.QueryRow(ctx, sqlSchemaPresent).Scan(&schema, &table); err != nil {
		return err
	}
	if !schema {
		if _, err := conn.Exec(ctx, sqlSchemaCreate); err != nil {
			return err
		}
	}
	if !table {
		if _, err := conn.Exec(ctx, sqlSchemaVersionCreate); err != nil {
			return err
		}
	} else if _, err := schemaVersion(ctx, conn, sqlSchemaVersion); !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	_, err := conn.Exec(ctx, sqlSchemaVersionBegin)
	return err
}

func schemaVersion(ctx context.Context, conn *pgx.Conn, query string) (int, error) {
	var version int
	err := conn.QueryRow(ctx, query).Scan(&version)
	return version, err
}
