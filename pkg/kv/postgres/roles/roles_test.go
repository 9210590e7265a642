//go:build unix

package roles_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/kv/postgres"
	"github.com/trivetkv/trivet/pkg/kv/postgres/roles"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// cloud is a database as a cloud hands it out: its administrator owns it, may
// make roles, and is no superuser.
type cloud struct {
	server *testserver.Postgres
	url    *url.URL // of the database, as the administrator
	suffix string   // of names of roles, which are the server's
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	server := testserver.SharedPostgres(t)
	u, err := url.Parse(server.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	c := &cloud{server: server, url: u, suffix: "_" + strings.ToLower(rand.Text()[:10])}
	admin := "admin" + c.suffix
	c.exec(t, fmt.Sprintf(`CREATE ROLE %[1]s LOGIN CREATEROLE PASSWORD 'admin'; ALTER DATABASE %[2]s OWNER TO %[1]s;
		CREATE ROLE rds_iam%[3]s; GRANT rds_iam%[3]s TO %[1]s WITH ADMIN OPTION`, admin, database, c.suffix))
	u.User = url.UserPassword(admin, "admin")
	t.Cleanup(func() { // the database goes to the next test
		ctx := context.Background()
		for _, statement := range []string{
			"ALTER DATABASE " + database + " OWNER TO trivet", "GRANT ALL ON DATABASE " + database + " TO PUBLIC",
		} {
			if err := server.Exec(ctx, "postgres", statement); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

func (c *cloud) exec(t *testing.T, statements string) {
	t.Helper()
	if err := c.server.Exec(t.Context(), strings.TrimPrefix(c.url.Path, "/"), statements); err != nil {
		t.Fatal(err)
	}
}

func (c *cloud) as(user, password string) string {
	u := *c.url
	u.User = url.UserPassword(user+c.suffix, password)
	return u.String()
}

func (c *cloud) bootstrap(t *testing.T, wanted roles.Roles) error {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), c.url.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	return roles.Bootstrap(t.Context(), admin, wanted)
}

// passwords are roles that log in with a password each.
func (c *cloud) passwords(owner, user string) roles.Roles {
	return roles.Roles{
		Owner: roles.Role{Name: "migrate" + c.suffix, Password: owner},
		Users: []roles.Role{{Name: "api" + c.suffix, Password: user}, {Name: "consumer" + c.suffix, Password: user}},
	}
}

// TestServicesNeedNoMoreThanTheirRoles makes the roles, migrates as one of them,
// and uses the store as another, which may do nothing else.
func TestServicesNeedNoMoreThanTheirRoles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for range 2 {
		if err := c.bootstrap(t, c.passwords("owns", "uses")); err != nil {
			t.Fatal(err)
		}
	}
	users := []string{"api" + c.suffix, "consumer" + c.suffix}
	for range 2 {
		err := postgres.Prepare(t.Context(), postgres.Options{URL: c.as("migrate", "owns"), StartTimeout: time.Minute}, users)
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := postgres.Open(t.Context(), postgres.Options{URL: c.as("api", "uses"), MaxConns: 4, StartTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	put := kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v")}
	if _, err := store.Apply(t.Context(), "ns", put, kv.Identity{}); err != nil {
		t.Error(err)
	}
	if _, err := store.Apply(t.Context(), "ns", kv.Operation{Kind: kv.KindDelete, Key: "k"}, kv.Identity{}); err != nil {
		t.Error(err)
	}
	if _, err := store.Sweep(t.Context(), 10); err != nil {
		t.Error(err)
	}

	user, err := pgx.Connect(t.Context(), c.as("api", "uses"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close(context.Background()) })
	for _, forbidden := range []string{
		"DROP TABLE trivet.entries", "ALTER TABLE trivet.entries ADD COLUMN c INT8", "TRUNCATE trivet.entries",
		"CREATE TABLE trivet.own (c INT8)", "CREATE SCHEMA own", "CREATE TEMPORARY TABLE own (c INT8)",
		"UPDATE trivet.schema_version SET version = 1", "CREATE ROLE own", "SELECT pg_read_file('/etc/passwd')",
	} {
		if _, err := user.Exec(t.Context(), forbidden); err == nil || !strings.Contains(err.Error(), "42501") && !strings.Contains(err.Error(), "must be owner") {
			t.Errorf("%s: %v", forbidden, err)
		}
	}
}

func TestAPasswordIsChangedByBootstrapping(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for _, password := range []string{"first", "it's the second"} {
		if err := c.bootstrap(t, c.passwords("owns", password)); err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), c.as("api", password))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(t.Context())
	}
	if conn, err := pgx.Connect(t.Context(), c.as("api", "first")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the former password still opens the database")
	}
}

// TestThePasswordIsNotSent looks for it in what the server was told.
func TestThePasswordIsNotSent(t *testing.T) {
	t.Parallel()
	server := testserver.NewPostgres(t, "log_statement = 'all'")
	admin, err := pgx.Connect(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	err = roles.Bootstrap(t.Context(), admin, roles.Roles{Owner: roles.Role{Name: "owner", Password: "swordfish"}})
	if err != nil {
		t.Fatal(err)
	}
	log := server.LogTail(0)
	if !strings.Contains(log, "ALTER ROLE") || strings.Contains(log, "swordfish") {
		t.Errorf("the log:\n%s", log)
	}
}

func TestRolesWithAnIdentityHaveNoPassword(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	if err := c.bootstrap(t, c.passwords("owns", "uses")); err != nil {
		t.Fatal(err)
	}
	wanted := c.passwords("", "")
	wanted.Owner.Identity = "rds_iam" + c.suffix
	for i := range wanted.Users {
		wanted.Users[i].Identity = "rds_iam" + c.suffix
	}
	if err := c.bootstrap(t, wanted); err != nil {
		t.Fatal(err)
	}
	c.exec(t, fmt.Sprintf(`DO $$ BEGIN
		IF NOT pg_has_role('api%[1]s', 'rds_iam%[1]s', 'member') THEN RAISE 'the role has no identity'; END IF;
		IF (SELECT rolpassword FROM pg_authid WHERE rolname = 'api%[1]s') IS NOT NULL THEN RAISE 'the role has a password'; END IF;
	END $$`, c.suffix))
}

func TestBootstrapSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	wanted := c.passwords("owns", "")
	if err := c.bootstrap(t, wanted); err == nil || !strings.Contains(err.Error(), "role api"+c.suffix+": it has neither a password nor an identity") {
		t.Errorf("no password: %v", err)
	}
	wanted.Users[0].Identity = "nobody_iam"
	if err := c.bootstrap(t, wanted); err == nil || !strings.Contains(err.Error(), "the server has no role nobody_iam") {
		t.Errorf("an identity that the server does not know: %v", err)
	}
	if _, err := pgx.Connect(t.Context(), c.as("migrate", "owns")); err == nil {
		t.Error("a bootstrap that failed has made a role")
	}
}
