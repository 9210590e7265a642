// Package roles makes the roles under which Trivet uses a PostgreSQL server,
// each with no more than it needs: one owns the schema and changes it, the
// others read and write rows. An administrator is needed once, here, and by
// none of the services.
package roles

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Role is a role to be made.
type Role struct {
	Name string

	// Identity is the role of the server whose members log in with an identity
	// of the cloud, rds_iam on AWS; empty: with Password.
	Identity string
	Password string
}

// Roles are all that Trivet needs.
type Roles struct {
	Owner Role   // of the schema
	Users []Role // of what is in it
}

// Bootstrap makes the roles in the database that an administrator is connected
// to, all or none. Made again it changes what is different: a password, a way to
// log in. The administrator needs CREATEROLE and owns the database.
func Bootstrap(ctx context.Context, admin *pgx.Conn, roles Roles) error {
	database := pgx.Identifier{admin.Config().Database}.Sanitize()
	return pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
		// Two at once wait for each other.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('trivet bootstrap'))"); err != nil {
			return err
		}
		for _, role := range append([]Role{roles.Owner}, roles.Users...) {
			if err := ensure(ctx, tx, role); err != nil {
				return fmt.Errorf("role %s: %w", role.Name, err)
			}
			if _, err := tx.Exec(ctx, "GRANT CONNECT ON DATABASE "+database+" TO "+quoted(role.Name)); err != nil {
				return fmt.Errorf("role %s: %w", role.Name, err)
			}
		}
		// By default everybody may connect, and make temporary tables.
		if _, err := tx.Exec(ctx, "REVOKE ALL ON DATABASE "+database+" FROM PUBLIC"); err != nil {
			return fmt.Errorf("close the database to others: %w", err)
		}
		if _, err := tx.Exec(ctx, "GRANT CREATE ON DATABASE "+database+" TO "+quoted(roles.Owner.Name)); err != nil {
			return fmt.Errorf("let %s make the schema: %w", roles.Owner.Name, err)
		}
		return nil
	})
}

// ensure makes a role, or makes it what it should be.
func ensure(ctx context.Context, tx pgx.Tx, role Role) error {
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)", role.Name).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		if _, err := tx.Exec(ctx, "CREATE ROLE "+quoted(role.Name)+" LOGIN"); err != nil {
			return err
		}
	}
	if role.Identity == "" {
		return setPassword(ctx, tx, role)
	}
	if _, err := tx.Exec(ctx, "ALTER ROLE "+quoted(role.Name)+" LOGIN PASSWORD NULL"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "GRANT "+quoted(role.Identity)+" TO "+quoted(role.Name))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == undefinedObject {
		return fmt.Errorf("the server has no role %s: does it let identities of the cloud log in?", role.Identity)
	}
	return err
}

// undefinedObject is PostgreSQL's code of a role that is not there.
const undefinedObject = "42704"

// setPassword gives the server what it needs to check the password, and not
// the password itself, which would show in its log of statements.
func setPassword(ctx context.Context, tx pgx.Tx, role Role) error {
	if role.Password == "" {
		return errors.New("it has neither a password nor an identity")
	}
	verifier, err := scramVerifier(role.Password)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "ALTER ROLE "+quoted(role.Name)+" LOGIN PASSWORD '"+strings.ReplaceAll(verifier, "'", "''")+"'")
	return err
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
