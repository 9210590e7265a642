package backends

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/kv/postgres/roles"
)

// prepareTimeout bounds the preparation of a database: a migration may have to
// write a large table anew.
const prepareTimeout = 15 * time.Minute

// Migrate brings the database's schema up to what this program needs, before
// the services do that log in as users with no right to change it. It logs in as
// the schema's owner, whom the URL names.
func Migrate(ctx context.Context, cfg config.Backends, who config.DatabaseRoles, opts Options) error {
	options, err := serverOptions(cfg, opts)
	if err != nil {
		return err
	}
	options.StartTimeout, options.StatementTimeout = prepareTimeout, prepareTimeout
	if err := postgres.Prepare(ctx, options, who.Users); err != nil {
		return fmt.Errorf("TRIVET_DATABASE_URL: %s", reason(err))
	}
	return nil
}

// Bootstrap makes the roles as which the services and Migrate log in. It needs
// the administrator.
func Bootstrap(ctx context.Context, cfg config.Backends, who config.DatabaseRoles) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	wanted, err := databaseRoles(cfg, who)
	if err != nil {
		return err
	}
	target, err := adminURL(cfg.Database, who.Admin)
	if err != nil {
		return err
	}
	admin, err := pgx.Connect(ctx, target.String())
	if err != nil {
		return fmt.Errorf("TRIVET_DATABASE_URL: connect as the administrator: %w", err)
	}
	err = roles.Bootstrap(ctx, admin, wanted)
	if err != nil {
		err = fmt.Errorf("TRIVET_DATABASE_URL: %w", err)
	}
	return errors.Join(err, admin.Close(ctx))
}

// serverOptions opens nothing: it reads how the database is reached, and refuses
// the embedded one, which needs no preparation.
func serverOptions(cfg config.Backends, opts Options) (postgres.Options, error) {
	if scheme := cfg.Database.Parsed().Scheme; !strings.HasPrefix(scheme, "postgres") {
		return postgres.Options{}, &config.Error{Name: "TRIVET_DATABASE_URL", Problem: fmt.Sprintf("%s:// needs no preparation; expected postgres://HOST/NAME", scheme)}
	}
	options, err := postgresOptions(cfg.Database, &opening{Options: opts, settings: cfg})
	var malformed *urlError
	if errors.As(err, &malformed) {
		return options, &config.Error{Name: "TRIVET_DATABASE_URL", Problem: malformed.problem}
	}
	return options, err
}

// adminURL gives the database's URL with the administrator's login, where that
// is given apart from it.
func adminURL(database config.URL, admin config.RotatedSecret) (*url.URL, error) {
	target, err := database.Current()
	if err != nil || admin.IsZero() {
		return target, err
	}
	text, err := admin.Current()
	if err != nil {
		return nil, err
	}
	login, err := config.ParseLogin(text)
	if err != nil {
		return nil, &config.Error{Name: "TRIVET_DATABASE_ADMIN", Problem: err.Error()}
	}
	whole := *target
	whole.User = url.UserPassword(login.Username, login.Password)
	return &whole, nil
}

// identityRoles are the server's roles whose members log in by an identity.
var identityRoles = map[config.DatabaseLogin]string{config.LoginAWS: "rds_iam"}

func databaseRoles(cfg config.Backends, who config.DatabaseRoles) (roles.Roles, error) {
	var all []roles.Role
	for _, name := range who.All() {
		role := roles.Role{Name: name, Identity: identityRoles[cfg.DatabaseLogin]}
		if role.Identity == "" {
			password, err := os.ReadFile(filepath.Join(who.Passwords, name))
			if err != nil {
				return roles.Roles{}, &config.Error{Name: "TRIVET_DATABASE_PASSWORDS", Problem: "each role that logs in with a password needs a file there: " + err.Error()}
			}
			role.Password = strings.TrimSpace(string(password))
		}
		all = append(all, role)
	}
	return roles.Roles{Owner: all[0], Users: all[1:]}, nil
}
