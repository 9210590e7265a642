package config

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/auth/oidc"
	"github.com/trivetkv/trivet/pkg/certs"
)

// MinRootTokenCharacters is how long a root token has to be: 32 characters of
// even a poor generator are out of reach of guessing.
const MinRootTokenCharacters = 32

// AuthMode says how callers of the data API prove who they are.
type AuthMode string

// Modes of authentication.
const (
	AuthToken AuthMode = "token"
	AuthOff   AuthMode = "off"
)

// UnmarshalText reads token or off.
func (m *AuthMode) UnmarshalText(text []byte) error { return oneOf(m, text, AuthToken, AuthOff) }

// API says where, for whom and within which limits the data API is served.
type API struct {
	Listen    Address  `env:"TRIVET_LISTEN" envDefault:":8080" doc:"Address of the data API, HOST:PORT. Port 0 takes a free one. \"trivet run\" listens on 127.0.0.1:8080 unless told otherwise."`
	Auth      AuthMode `env:"TRIVET_AUTH" envDefault:"token" doc:"\"token\" asks every caller for a bearer token. \"off\" lets everybody in and is accepted on a loopback address only; \"trivet run\" uses it unless told otherwise."`
	RootToken Secret   `env:"TRIVET_ROOT_TOKEN" doc:"An administrator's token for as long as it is set: any text of 32 characters or more. With it the first tokens are made."`

	DrainDelay time.Duration `env:"TRIVET_DRAIN_DELAY" envDefault:"5s" doc:"How long a stopping process still takes requests while /ready already answers 503, so that balancers notice. \"trivet run\" does not wait unless told otherwise."`

	MaxValueBytes  Bytes `env:"TRIVET_MAX_VALUE_SIZE" envDefault:"8MiB" doc:"The largest value that is taken, 8MiB at most."`
	MaxBodiesBytes Bytes `env:"TRIVET_MAX_BODIES_SIZE" envDefault:"256MiB" doc:"How many bytes of requests and of large answers are worked on at a time; with tokens, an eighth of one caller. Beyond it requests are refused with 503."`
	MaxInFlight    int   `env:"TRIVET_MAX_IN_FLIGHT" envDefault:"1024" doc:"How many requests are worked on at a time; with tokens, an eighth of them of one caller. Beyond it they are refused with 503. Health checks and administration always come in."`
	MaxConnections int   `env:"TRIVET_MAX_CONNECTIONS" envDefault:"8192" doc:"How many connections are open at a time; a new one beyond it takes the place of the one that was idle longest."`
	MaxStreams     int   `env:"TRIVET_MAX_STREAMS" envDefault:"16384" doc:"How many watch streams are open at a time."`
	CallerRate     int   `env:"TRIVET_RATE_LIMIT" envDefault:"0" doc:"Operations per second of each token, twice as many at once; a body counts as one for every KiB, a value that is read for every 4 KiB. Beyond it requests are refused with 429. 0: no limit."`
	NamespaceRate  int   `env:"TRIVET_NAMESPACE_RATE_LIMIT" envDefault:"0" doc:"Operations per second of each namespace, counted likewise; beyond it requests are refused with 429. 0: no limit."`
}

// Validate refuses to let everybody in from anywhere, a root token that could
// be guessed, and limits out of range.
func (a *API) Validate() error {
	if a.Auth == AuthOff && !a.Listen.IsLoopback() {
		return &Error{Name: "TRIVET_AUTH", Problem: fmt.Sprintf(
			"\"off\" lets everybody in, so it is accepted on a loopback address only, such as 127.0.0.1:8080, and not on %s; use \"token\"", a.Listen)}
	}
	if n := len(a.RootToken.Reveal()); n > 0 && n < MinRootTokenCharacters {
		return &Error{Name: "TRIVET_ROOT_TOKEN", Problem: fmt.Sprintf(
			"it has %d characters; a root token needs %d or more", n, MinRootTokenCharacters)}
	}
	if a.DrainDelay < 0 {
		return &Error{Name: "TRIVET_DRAIN_DELAY", Problem: "it has to be 0s or longer"}
	}
	if a.MaxValueBytes < 1 || a.MaxValueBytes > 8<<20 {
		return &Error{Name: "TRIVET_MAX_VALUE_SIZE", Problem: "it has to be from 1 to 8MiB"}
	}
	if a.MaxBodiesBytes < 2*a.MaxValueBytes {
		return &Error{Name: "TRIVET_MAX_BODIES_SIZE", Problem: "it has to be at least twice TRIVET_MAX_VALUE_SIZE"}
	}
	for name, n := range map[string]int{"TRIVET_MAX_IN_FLIGHT": a.MaxInFlight, "TRIVET_MAX_CONNECTIONS": a.MaxConnections, "TRIVET_MAX_STREAMS": a.MaxStreams} {
		if n < 1 {
			return &Error{Name: name, Problem: "it has to be 1 or more"}
		}
	}
	for name, n := range map[string]int{"TRIVET_RATE_LIMIT": a.CallerRate, "TRIVET_NAMESPACE_RATE_LIMIT": a.NamespaceRate} {
		if n < 0 {
			return &Error{Name: name, Problem: "it has to be 0 (no limit) or more"}
		}
	}
	return nil
}

// TLS says with which certificates listeners serve.
type TLS struct {
	Cert     string `env:"TRIVET_TLS_CERT" doc:"File of the certificate chain, PEM. With it every listener serves TLS; the files are read again when they change."`
	Key      string `env:"TRIVET_TLS_KEY" doc:"File of the certificate's private key, PEM."`
	ClientCA string `env:"TRIVET_TLS_CLIENT_CA" doc:"File of the authorities, PEM, one of which has to have signed every client's certificate."`
}

// Files gives the files' names.
func (t TLS) Files() certs.Files {
	return certs.Files{Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA}
}

// Validate refuses one file without the other.
func (t *TLS) Validate() error {
	if err := t.Files().Check(); err != nil {
		return &Error{Name: "TRIVET_TLS_CERT", Problem: err.Error()}
	}
	return nil
}

// OIDC says which OpenID Connect issuer's users are let in.
type OIDC struct {
	Issuer     string   `env:"TRIVET_OIDC_ISSUER" doc:"URL of an OpenID Connect issuer whose bearer tokens are accepted beside the store's own."`
	Audience   string   `env:"TRIVET_OIDC_AUDIENCE" doc:"The audience that such a token has to be for."`
	Algorithms []string `env:"TRIVET_OIDC_ALGORITHMS" envDefault:"RS256" doc:"Signature algorithms that are accepted, with commas between them."`
	Claim      string   `env:"TRIVET_OIDC_CLAIM" envDefault:"groups" doc:"The claim that says what the token grants: a text or a list of texts."`
	Roles      Roles    `env:"TRIVET_OIDC_ROLES" doc:"What each value of the claim grants, as JSON: {\"shop-team\":[{\"namespace\":\"shop-*\",\"access\":[\"read\",\"write\"]}]}."`
}

// Roles are scopes by the value of a claim.
type Roles map[string][]auth.Scope

// UnmarshalText reads a JSON object.
func (r *Roles) UnmarshalText(text []byte) error {
	if err := json.Unmarshal(text, (*map[string][]auth.Scope)(r)); err != nil {
		return &formatError{"a JSON object of lists of scopes"}
	}
	return nil
}

// Options gives the issuer's options.
func (o OIDC) Options() oidc.Options {
	return oidc.Options{URL: o.Issuer, Audience: o.Audience, Algorithms: o.Algorithms, Claim: o.Claim, Roles: o.Roles}
}

// Validate refuses an issuer that would let in nobody or anybody.
func (o *OIDC) Validate() error {
	if o.Issuer == "" {
		return nil
	}
	if err := o.Options().Check(); err != nil {
		return &Error{Name: "TRIVET_OIDC_ISSUER", Problem: err.Error()}
	}
	return nil
}
