package config

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
)

// DatabaseLogin is how a process proves to the database who it is.
type DatabaseLogin string

// The logins.
const (
	LoginPassword DatabaseLogin = "password"
	LoginAWS      DatabaseLogin = "aws"
)

// UnmarshalText reads password or aws.
func (l *DatabaseLogin) UnmarshalText(text []byte) error {
	return oneOf(l, text, LoginPassword, LoginAWS)
}

// validateLogins refuses two passwords for one backend, where it would be
// anybody's guess which of them counts.
func (b *Backends) validateLogins() error {
	for _, c := range []struct {
		name   string
		url    URL
		secret RotatedSecret
	}{
		{"TRIVET_DATABASE_PASSWORD", b.Database, b.DatabasePassword},
		{"TRIVET_CACHE_PASSWORD", b.Cache, b.CachePassword},
		{"TRIVET_BROKER_LOGIN", b.Broker, b.BrokerLogin},
	} {
		if _, inURL := c.url.Parsed().User.Password(); inURL && !c.secret.IsZero() {
			return &Error{Name: c.name, Problem: "the URL has a password too; only one of them may have it"}
		}
	}
	if b.DatabaseLogin != LoginAWS {
		return nil
	}
	if !b.DatabasePassword.IsZero() {
		return &Error{Name: "TRIVET_DATABASE_PASSWORD", Problem: "TRIVET_DATABASE_LOGIN is aws, which needs none"}
	}
	if _, inURL := b.Database.Parsed().User.Password(); inURL {
		return &Error{Name: "TRIVET_DATABASE_URL", Problem: "it has a password, and TRIVET_DATABASE_LOGIN is aws, which needs none"}
	}
	return nil
}

// Login is a user and a password in one secret, in the form in which vaults of
// the clouds keep them.
type Login struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// ParseLogin reads a login. Its error shows nothing of it.
func ParseLogin(text string) (Login, error) {
	var l Login
	if err := json.Unmarshal([]byte(text), &l); err != nil || l.Username == "" || l.Password == "" {
		return Login{}, errors.New(`expected a JSON object such as {"username":"…","password":"…"}`)
	}
	return l, nil
}

// DatabaseRoles says who may do what in the database.
type DatabaseRoles struct {
	Admin     RotatedSecret `env:"TRIVET_DATABASE_ADMIN" doc:"The administrator who makes the roles, as JSON: {\"username\":\"…\",\"password\":\"…\"}. Without it, the one in TRIVET_DATABASE_URL."`
	Owner     string        `env:"TRIVET_DATABASE_OWNER" envDefault:"trivet_migrate" doc:"The role that owns the schema: \"migrate\" logs in as it."`
	Users     []string      `env:"TRIVET_DATABASE_USERS" envDefault:"trivet_api,trivet_consumer" doc:"The roles that read and write what is in the schema, with commas between them: the services log in as they."`
	Passwords string        `env:"TRIVET_DATABASE_PASSWORDS" doc:"Directory with a file for each role, named as it, that holds its password. Roles that log in with an identity need none."`
}

// roleName is what needs no quoting, so that nobody has to wonder about case.
var roleName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Validate refuses names that would need quoting, and no users at all.
func (r *DatabaseRoles) Validate() error {
	if !roleName.MatchString(r.Owner) {
		return &Error{Name: "TRIVET_DATABASE_OWNER", Problem: "a role's name has lower-case letters, digits and underscores, 63 at most"}
	}
	for _, user := range r.Users {
		if !roleName.MatchString(user) || user == r.Owner {
			return &Error{Name: "TRIVET_DATABASE_USERS", Problem: "a role's name has lower-case letters, digits and underscores, 63 at most, and is not the owner's"}
		}
	}
	if len(r.Users) == 0 {
		return &Error{Name: "TRIVET_DATABASE_USERS", Problem: "it names no role"}
	}
	return nil
}

// All lists the owner, then the users.
func (r *DatabaseRoles) All() []string { return slices.Concat([]string{r.Owner}, r.Users) }
