package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/telemetry"
)

const connectionHelp = `The server is that of --url, of TRIVET_URL, of the context in use (see
"trivet context"), or http://127.0.0.1:8080. With authentication, give a token
in TRIVET_TOKEN, in the file that TRIVET_TOKEN_FILE names, or in the context.
Over https, --ca-file names the authority of a certificate that this machine
does not trust, and --cert and --key what to show to a server that asks.`

// connection is what all commands take that talk to a server.
type connection struct {
	timeout time.Duration
}

// connectionFlags adds the flags that say which server to talk to, and how, to
// a command and those below it.
func (t *terminal) connectionFlags(cmd *cobra.Command) *connection {
	conn := new(connection)
	flags := cmd.PersistentFlags()
	flags.String("url", "", "base URL of the server (TRIVET_URL; default http://127.0.0.1:8080)")
	flags.String("token", "", "bearer token (TRIVET_TOKEN); other users of this machine can see flags")
	flags.String("ca-file", "", "PEM file of the authorities to trust instead of the machine's (TRIVET_CA_FILE)")
	flags.String("cert", "", "PEM file of the certificate to show to the server (TRIVET_CERT_FILE)")
	flags.String("key", "", "PEM file of its private key (TRIVET_KEY_FILE)")
	flags.String("context", "", "the context to use rather than variables and the current one")
	flags.DurationVar(&conn.timeout, "timeout", 30*time.Second, "time limit of one request")
	if err := cmd.RegisterFlagCompletionFunc("context", t.completeContexts); err != nil {
		panic(err) // the flag has two completions
	}
	return conn
}

// target is the server that a command talks to.
type target struct {
	url   string
	token string
	tls   *tls.Config // nil: what the machine trusts
}

// target gives the server that flags, variables and contexts name, in this
// order.
func (t *terminal) target(cmd *cobra.Command) (target, error) {
	environ, err := t.clientEnviron(cmd)
	if err != nil {
		return target{}, err
	}
	var cfg config.Client
	if err := config.Load(environ, &cfg); err != nil {
		return target{}, err
	}
	settings, err := cfg.TLS()
	return target{cfg.URL, cfg.Token.Reveal(), settings}, err
}

// connect makes a client of the server that flags, variables and contexts name.
func (t *terminal) connect(cmd *cobra.Command) (*client.Client, error) {
	server, err := t.target(cmd)
	if err != nil {
		return nil, err
	}
	return server.connect()
}

// connect makes a client of the server.
func (s target) connect() (*client.Client, error) {
	return client.New(client.Options{
		URL:       s.url,
		Token:     s.token,
		TLS:       s.tls,
		UserAgent: "trivet-cli/" + telemetry.ReadBuild().Version,
	})
}

// clientEnviron puts flags over the environment and a context under it, or
// over it when a flag names it. A context's token and certificates are for the
// context's server only: where another URL is given, the context does not count.
func (t *terminal) clientEnviron(cmd *cobra.Command) ([]string, error) {
	given := make(map[string]string)
	for flag, variable := range map[string]string{"url": "TRIVET_URL", "token": "TRIVET_TOKEN"} {
		if f := cmd.Flag(flag); f.Changed {
			given[variable] = f.Value.String()
		}
	}
	for flag, variable := range map[string]string{"ca-file": "TRIVET_CA", "cert": "TRIVET_CERT", "key": "TRIVET_KEY"} {
		if f := cmd.Flag(flag); f.Changed {
			content, err := os.ReadFile(f.Value.String())
			if err != nil {
				return nil, usageError{fmt.Errorf("--%s: %w", flag, err)}
			}
			given[variable] = string(content)
		}
	}
	named := cmd.Flag("context").Value.String()
	if named != "" && given["TRIVET_URL"] != "" {
		return nil, usageError{errors.New("--url and --context exclude each other")}
	}
	if named == "" && config.IsSet(config.Overlay(t.environ, given), "TRIVET_URL") {
		return config.Overlay(t.environ, given), nil
	}
	path, err := t.contextPath(cmd)
	if err != nil {
		return nil, err
	}
	server, err := chosenContext(path, named)
	if err != nil {
		return nil, err
	}
	settings, err := server.settings()
	if err != nil {
		return nil, err
	}
	if named != "" {
		return config.Overlay(config.Overlay(t.environ, settings), given), nil
	}
	return config.Underlay(config.Overlay(t.environ, given), settings), nil
}

// request runs one request within the time limit; Ctrl-C cancels it.
func (t *terminal) request(cmd *cobra.Command, conn *connection, run func(context.Context, *client.Client) error) error {
	c, err := t.connect(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()
	ctx, cancelTimeout := context.WithTimeout(ctx, conn.timeout)
	defer cancelTimeout()
	return run(ctx, c)
}

func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
}
