package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Prepare brings the schema of a database up to what this program needs and
// grants what is in it to roles, so that processes that log in as they need no
// right to change it. It runs as the schema's owner, which the URL names, within
// [Options.StartTimeout]; made again it changes nothing.
func Prepare(ctx context.Context, opts Options, users []string) error {
	opts = opts.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, opts.StartTimeout)
	defer cancel()
	pool, err := connect(ctx, ctx, opts)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrate(ctx, pool, migrations); err != nil {
		return startError("prepare the database's schema", err)
	}
	for _, user := range users {
		if _, err := pool.Exec(ctx, grants(user)); err != nil {
			return startError(fmt.Sprintf("grant the schema to %s", user), err)
		}
	}
	return nil
}

// grants gives the statements that let a role do what a [Store] does: read and
// write rows, and nothing to tables. The schema's version is only read. Default
// privileges cover what later migrations add, before they are granted by name.
func grants(user string) string {
	return strings.ReplaceAll(`
		GRANT USAGE ON SCHEMA trivet TO $user;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA trivet TO $user;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA trivet TO $user;
		REVOKE INSERT, UPDATE, DELETE ON trivet.schema_version FROM $user;
		ALTER DEFAULT PRIVILEGES IN SCHEMA trivet GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO $user;
		ALTER DEFAULT PRIVILEGES IN SCHEMA trivet GRANT USAGE ON SEQUENCES TO $user;
	`, "$user", pgx.Identifier{user}.Sanitize())
}
