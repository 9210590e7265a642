package config

import (
	"fmt"
	"log/slog"
	"time"
)

// section is a group of settings in the reference.
type section struct {
	title    string
	intro    string
	settings any // pointer to a zero value
}

// sections lists the settings of all of Trivet's programs. What is in none of
// them is an unknown variable.
var sections = []section{
	{"Data API", "Read by `trivet run` and the api service.", &API{}},
	{"Administration", "Read by `trivet run` and every service.", &Admin{}},
	{"Backends", "Read by `trivet run`, the api and the consumer service.", &Backends{}},
	{"Process", "Read by `trivet run` and every service.", &Process{}},
	{"Client", "Read by `trivet kv` and the other commands that talk to a server.", &Client{}},
}

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

// API says where and for whom the data API is served.
type API struct {
	Listen    Address  `env:"TRIVET_LISTEN" envDefault:":8080" doc:"Address of the data API, HOST:PORT. Port 0 takes a free one. \"trivet run\" listens on 127.0.0.1:8080 unless told otherwise."`
	Auth      AuthMode `env:"TRIVET_AUTH" envDefault:"token" doc:"\"token\" asks every caller for a bearer token. \"off\" lets everybody in and is accepted on a loopback address only; \"trivet run\" uses it unless told otherwise."`
	RootToken Secret   `env:"TRIVET_ROOT_TOKEN" doc:"An administrator's token for as long as it is set: any text of 32 characters or more. With it the first tokens are made."`

	DrainDelay time.Duration `env:"TRIVET_DRAIN_DELAY" envDefault:"5s" doc:"How long a stopping process still takes requests while /ready already answers 503, so that balancers notice. \"trivet run\" does not wait unless told otherwise."`
}

// Validate refuses to let everybody in from anywhere, a root token that could
// be guessed, and a delay below 0.
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
	return nil
}

// Admin says where health and metrics are served, without authentication.
type Admin struct {
	Listen Address `env:"TRIVET_ADMIN_LISTEN" envDefault:":9090" doc:"Address of /health, /ready and /metrics, HOST:PORT, for the operator's network only. \"trivet run\" listens on 127.0.0.1:9090 unless told otherwise, and on a free port when that one is taken."`
}

// Backends says where data is kept.
type Backends struct {
	Database URL `env:"TRIVET_DATABASE_URL" doc:"The database: \"pebble:///DIRECTORY\", the embedded store. \"trivet run\" keeps it under its data directory unless told otherwise; the services have no default."`
	Cache    URL `env:"TRIVET_CACHE_URL" envDefault:"memory://?size=64MiB" doc:"The cache in front of the database: \"memory://?size=64MiB\", within the process."`
	Broker   URL `env:"TRIVET_BROKER_URL" envDefault:"none" doc:"The broker of asynchronous writes: \"jetstream:///DIRECTORY\", embedded, or \"none\": then writes are synchronous whatever they prefer. \"trivet run\" keeps one under its data directory unless told otherwise."`
}

// Validate refuses a missing database.
func (b *Backends) Validate() error {
	if b.Database.IsZero() {
		return &Error{Name: "TRIVET_DATABASE_URL", Problem: "it is not set; expected a URL such as pebble:///var/lib/trivet"}
	}
	return nil
}

// LogFormat is the form of log lines.
type LogFormat string

// Formats of log lines.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// UnmarshalText reads json or text.
func (f *LogFormat) UnmarshalText(text []byte) error { return oneOf(f, text, LogJSON, LogText) }

// Process is what every long-running program has.
type Process struct {
	LogLevel    slog.Level    `env:"TRIVET_LOG_LEVEL" envDefault:"info" doc:"The least level that is logged: debug, info, warn or error. Keys appear at debug only, values and secrets never."`
	LogFormat   LogFormat     `env:"TRIVET_LOG_FORMAT" envDefault:"json" doc:"\"json\" or \"text\". \"trivet run\" uses text unless told otherwise."`
	StopTimeout time.Duration `env:"TRIVET_STOP_TIMEOUT" envDefault:"30s" doc:"How long a stop may take: requests under way are finished within it, then connections are cut."`
}

// Validate refuses a stop without time.
func (p *Process) Validate() error {
	if p.StopTimeout <= 0 {
		return &Error{Name: "TRIVET_STOP_TIMEOUT", Problem: "it has to be longer than 0s"}
	}
	return nil
}

// Client says which server a command talks to.
type Client struct {
	URL   string `env:"TRIVET_URL" envDefault:"http://127.0.0.1:8080" doc:"Base URL of the server that commands talk to; the flag --url wins over it."`
	Token Secret `env:"TRIVET_TOKEN" doc:"Bearer token of commands; the flag --token wins over it."`
}
