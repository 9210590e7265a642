package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/api/service"
	"github.com/trivetkv/trivet/services/autoscaler/embedded"
	"github.com/trivetkv/trivet/services/consumer/worker"
)

// defaultAdminListen is where run listens for administration unless it is told
// otherwise. When it is taken, by another run most likely, a free port does.
const (
	defaultAdminListen  = "127.0.0.1:9090"
	fallbackAdminListen = "127.0.0.1:0"
)

// runFlags are the flags of run. Empty ones were not given.
type runFlags struct {
	data        string
	listen      string
	adminListen string
}

func (t *terminal) runCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Start a server on this machine",
		Long: `Start the whole store in one process, on embedded backends that keep their data
in a directory. Once it serves it prints "listening on http://HOST:PORT".

Authentication is off unless TRIVET_AUTH=token, so it listens on loopback
addresses only. To let others in, start it with TRIVET_AUTH=token and with
TRIVET_ROOT_TOKEN, an administrator's token that you make up, of 32 characters
or more. With that one make an administrator's token of your own, with your own
one for each application, and from then on start it without:

  export TRIVET_ROOT_TOKEN=$(openssl rand -hex 32)
  TRIVET_AUTH=token trivet run --listen :8080
  TRIVET_TOKEN=$TRIVET_ROOT_TOKEN trivet token create me --scope '*=read,write,admin' > my-token
  TRIVET_TOKEN_FILE=my-token trivet token create web --scope shop=read,write

Tokens travel in clear text unless TRIVET_TLS_CERT and TRIVET_TLS_KEY name a
certificate. Settings are TRIVET_ variables, of which docs/configuration.md has
all; flags win over them. A secret may be a file: TRIVET_ROOT_TOKEN_FILE.

Ctrl-C or SIGTERM stops it once the requests under way are finished; a second
one stops it at once, which loses nothing that was acknowledged.`,
		Example: `  trivet run
  trivet run --data /var/lib/trivet --listen 127.0.0.1:7000
  TRIVET_AUTH=token TRIVET_ROOT_TOKEN_FILE=root-token trivet run --listen :8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.data, "data", "", "directory of the data; it is made when missing (default ./data)")
	cmd.Flags().StringVar(&flags.listen, "listen", "", "address of the data API; port 0 takes a free one (TRIVET_LISTEN; default 127.0.0.1:8080)")
	cmd.Flags().StringVar(&flags.adminListen, "admin-listen", "", "address of health and metrics (TRIVET_ADMIN_LISTEN; default 127.0.0.1:9090, or a free port when that one is taken)")
	return cmd
}

func (t *terminal) run(ctx context.Context, flags runFlags) error {
	environ, err := flags.environ(t.environ)
	if err != nil {
		return err
	}
	settings := process.Settings{Name: "trivet"}
	if !config.IsSet(environ, "TRIVET_ADMIN_LISTEN") {
		environ = config.Underlay(environ, map[string]string{"TRIVET_ADMIN_LISTEN": defaultAdminListen})
		settings.AdminFallback = fallbackAdminListen
	}
	var api config.API
	var users config.OIDC
	var advice config.Adviser
	if err := config.Load(environ, &api, &users, &advice, &settings.TLS, &settings.Admin, &settings.Backends, &settings.Process); err != nil {
		return err
	}
	settings.Logger = telemetry.NewLogger(t.err, settings.Process.LogLevel, settings.Process.LogFormat)

	ctx, stop := process.Signals(ctx)
	defer stop()
	var data *service.Service
	scheme := "http"
	if settings.TLS.Files().Enabled() {
		scheme = "https"
	}
	settings.Started = func() { fmt.Fprintf(t.out, "listening on %s://%s\n", scheme, data.Addr()) }
	err = process.Run(ctx, settings, func(ctx context.Context, host *process.Host) error {
		background, err := worker.New(worker.Options{
			Store:      host.Backends.Store,
			Maintainer: host.Backends.Maintainer,
			Broker:     host.Backends.Broker,
			Logger:     host.Logger,
			Registerer: host.Metrics,
		})
		if err != nil {
			return err
		}
		if err := host.Start(ctx, "consumer", background); err != nil {
			return err
		}
		if data, err = service.New(api, users, host); err != nil {
			return err
		}
		if err := host.Start(ctx, "data API", data); err != nil || !advice.Advise {
			return err
		}
		adviser, err := embedded.New(embedded.Options{Metrics: host.Metrics, Registerer: host.Metrics, Logger: host.Logger})
		if err != nil {
			return err
		}
		return host.Start(ctx, "autoscaler's advice", adviser)
	})
	var variable *config.Error
	if err != nil && !errors.As(err, &variable) {
		return serverError{err}
	}
	return err
}

// environ puts the defaults of run under an environment and its flags over it.
func (f runFlags) environ(environ []string) ([]string, error) {
	data := f.data
	if data == "" {
		data = "data"
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("the data directory: %w", err)
	}
	stores := map[string]string{
		"TRIVET_DATABASE_URL": directoryURL("pebble", filepath.Join(data, "store")),
		"TRIVET_BROKER_URL":   directoryURL("jetstream", filepath.Join(data, "broker")),
	}
	over := make(map[string]string)
	if f.data != "" {
		over = stores
	}
	for variable, flag := range map[string]string{"TRIVET_LISTEN": f.listen, "TRIVET_ADMIN_LISTEN": f.adminListen} {
		if flag != "" {
			over[variable] = flag
		}
	}
	environ = config.Underlay(config.Overlay(environ, over), stores)
	return config.Underlay(environ, map[string]string{
		"TRIVET_LISTEN":      "127.0.0.1:8080",
		"TRIVET_AUTH":        string(config.AuthOff),
		"TRIVET_DRAIN_DELAY": "0s",
		"TRIVET_LOG_FORMAT":  string(config.LogText),
	}), nil
}

func directoryURL(scheme, dir string) string {
	return (&url.URL{Scheme: scheme, Path: dir}).String()
}
