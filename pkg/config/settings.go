package config

import (
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
	{"TLS", "Read by `trivet run` and every service.", &TLS{}},
	{"OpenID Connect", "Read by `trivet run` and the api service.", &OIDC{}},
	{"Administration", "Read by `trivet run` and every service.", &Admin{}},
	{"Backends", "Read by `trivet run`, the api and the consumer service.", &Backends{}},
	{"Database roles", "Read by `trivet-api bootstrap` and `trivet-api migrate`.", &DatabaseRoles{}},
	{"Process", "Read by `trivet run` and every service.", &Process{}},
	{"Autoscaler", "Read by the autoscaler.", &Autoscaler{}},
	{"Autoscaler's advice", "Read by `trivet run`.", &Adviser{}},
	{"Autoscaler's client", "Read by `trivet scale`. Flags win over variables.", &AutoscalerClient{}},
	{"Simulator", "Read by `trivet simulate`.", &Simulator{}},
	{"Client", "Read by `trivet kv` and the other commands that talk to a server. Flags win over variables, variables over the context in use.", &Client{}},
}

// Admin says where health and metrics are served, without authentication.
type Admin struct {
	Listen Address `env:"TRIVET_ADMIN_LISTEN" envDefault:":9090" doc:"Address of /health, /ready, /metrics and /debug/pprof, HOST:PORT, for the operator's network only. \"trivet run\" listens on 127.0.0.1:9090 unless told otherwise, and on a free port when that one is taken."`
}

// Backends says where data is kept.
type Backends struct {
	Database URL `env:"TRIVET_DATABASE_URL" doc:"The database: \"postgres://USER:PASSWORD@HOST/NAME\", which any number of processes share, or \"pebble:///DIRECTORY\", the embedded store. \"trivet run\" keeps one under its data directory unless told otherwise; the services have no default. All forms: docs/backends.md."`
	Cache    URL `env:"TRIVET_CACHE_URL" doc:"The cache in front of the database: \"redis://HOST\", \"redis+sentinel://HOST,HOST/NAME\" or \"redis+cluster://HOST,HOST\" (rediss with TLS), which all processes share; \"memory://?size=64MiB\", within one process that has the database to itself; or \"none\". Unless told otherwise, memory:// with the embedded store and none with PostgreSQL."`
	Broker   URL `env:"TRIVET_BROKER_URL" envDefault:"none" doc:"The broker of asynchronous writes: \"amqp://USER:PASSWORD@HOST/VHOST\" (amqps with TLS), \"jetstream:///DIRECTORY\", embedded, or \"none\": then writes are synchronous whatever they prefer. \"trivet run\" keeps one under its data directory unless told otherwise."`

	DatabaseLogin    DatabaseLogin `env:"TRIVET_DATABASE_LOGIN" envDefault:"password" doc:"How this process logs in to PostgreSQL: \"password\", or \"aws\" with its own identity in place of one: tokens for Amazon RDS and Aurora, signed with the credentials that EKS Pod Identity or ECS gives."`
	DatabasePassword RotatedSecret `env:"TRIVET_DATABASE_PASSWORD" doc:"The database's password, where the URL has none. A file is read again for each new connection."`
	CachePassword    RotatedSecret `env:"TRIVET_CACHE_PASSWORD" doc:"The cache's password, where the URL has none; the user is the URL's. A file is read again for each new connection."`
	BrokerLogin      RotatedSecret `env:"TRIVET_BROKER_LOGIN" doc:"User and password at the broker, where the URL has none, as JSON: {\"username\":\"…\",\"password\":\"…\"}. A file is read again for each new connection."`

	DatabaseConnections int           `env:"TRIVET_DATABASE_CONNECTIONS" envDefault:"0" doc:"The most connections of this process to PostgreSQL. 0: a fifth of what the server allows, from 4 to 64."`
	ProcessCache        Bytes         `env:"TRIVET_PROCESS_CACHE_SIZE" envDefault:"32MiB" doc:"How much each process keeps in memory in front of a cache that processes share, for reads with max-age. 0: nothing."`
	DatabaseReads       int           `env:"TRIVET_DATABASE_READS" envDefault:"64" doc:"How many reads the database gets at a time that the cache in front of it does not answer. While Redis is away these are all reads, and the bound is what keeps the database standing."`
	DatabaseReadWait    time.Duration `env:"TRIVET_DATABASE_READ_WAIT" envDefault:"1s" doc:"How long such a read waits for others to end before it is answered 503 overloaded."`
	CacheBound          time.Duration `env:"TRIVET_CACHE_BOUND" envDefault:"3s" doc:"How much older than the last acknowledged write an answer may be after Redis has lost its state. The same for all processes."`
}

// Validate refuses a missing database and limits out of range.
func (b *Backends) Validate() error {
	if b.Database.IsZero() {
		return &Error{Name: "TRIVET_DATABASE_URL", Problem: "it is not set; expected a URL such as postgres://host/name or pebble:///var/lib/trivet"}
	}
	if err := b.validateLogins(); err != nil {
		return err
	}
	if b.DatabaseConnections < 0 {
		return &Error{Name: "TRIVET_DATABASE_CONNECTIONS", Problem: "it has to be 0 (as many as are good) or more"}
	}
	if b.DatabaseReads < 1 {
		return &Error{Name: "TRIVET_DATABASE_READS", Problem: "it has to be 1 or more"}
	}
	if b.DatabaseReadWait <= 0 || b.DatabaseReadWait > 10*time.Second {
		return &Error{Name: "TRIVET_DATABASE_READ_WAIT", Problem: "it has to be longer than 0s and 10s at most"}
	}
	if b.CacheBound < time.Second || b.CacheBound > time.Minute {
		return &Error{Name: "TRIVET_CACHE_BOUND", Problem: "it has to be from 1s to 1m"}
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
