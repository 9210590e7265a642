package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Credentials gives the user and the password of a new connection, so that
// rotated ones come into use without a restart.
type Credentials func(ctx context.Context) (user, password string, err error)

const (
	poolSize = 16

	// connLifetime bounds how long a connection lives on credentials and
	// certificates that have been rotated meanwhile.
	connLifetime       = time.Hour
	connLifetimeJitter = 10 * time.Minute

	// maxIdle is shorter than what managed servers and balancers allow.
	maxIdle = 4 * time.Minute

	bufferBytes = 64 << 10
)

// dial makes a client, which connects when it is used. met is called on each
// new connection and may refuse it.
func (a Address) dial(opts Options, met func(ctx context.Context, conn *goredis.Conn) error) goredis.UniversalClient {
	o := &goredis.UniversalOptions{
		Addrs:      a.hosts,
		MasterName: a.name,
		DB:         a.database,
		Protocol:   2, // nothing of RESP3 is used, and every proxy speaks this
		Dialer:     a.dialer(opts.Timeout),
		OnConnect:  met,

		// A server may have closed a connection that was idle. Steps are as good
		// made twice, and a new connection is looked at before it is used.
		MaxRetries:            1,
		MinRetryBackoff:       time.Millisecond,
		MaxRetryBackoff:       time.Millisecond,
		DialTimeout:           opts.Timeout,
		DialerRetries:         1,
		ReadTimeout:           opts.Timeout,
		WriteTimeout:          opts.Timeout,
		ContextTimeoutEnabled: true,

		PoolSize:              poolSize,
		PipelinePoolSize:      -1, // everything is a pipeline
		ReadBufferSize:        bufferBytes,
		WriteBufferSize:       bufferBytes,
		ConnMaxIdleTime:       maxIdle,
		ConnMaxLifetime:       connLifetime,
		ConnMaxLifetimeJitter: connLifetimeJitter,

		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch {
	case opts.Credentials != nil:
		o.CredentialsProviderContext = opts.Credentials
	case a.user != nil:
		o.Username = a.user.Username()
		o.Password, _ = a.user.Password()
	}
	if a.sentinelAuth && a.user != nil {
		o.SentinelUsername = a.user.Username()
		o.SentinelPassword, _ = a.user.Password()
	}
	switch a.topology {
	case cluster:
		return goredis.NewClusterClient(o.Cluster())
	case sentinel:
		return goredis.NewFailoverClient(o.Failover())
	default:
		return goredis.NewClient(o.Simple())
	}
}

// tlsFiles say whom to trust and who this process is.
type tlsFiles struct {
	serverName    string // of the certificate; empty: the host's
	ca, cert, key string // files; empty: the system's authorities, and no certificate
}

func (a Address) dialer(timeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: timeout, KeepAlive: time.Minute}
	if a.tls == nil {
		return plain.DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		config, err := a.tls.config(addr)
		if err != nil {
			return nil, err
		}
		return (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, network, addr)
	}
}

// config reads the files, again for each connection.
func (f *tlsFiles) config(addr string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr) // go-redis gives HOST:PORT
	}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities %s: the file holds no PEM certificate", f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
