// Command api is the service that answers the data API over HTTP. It prepares
// the database of an installation, too, before any service may start.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/trivetkv/trivet/pkg/backends"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/api/service"
)

const usage = `usage: trivet-api              serve the data API
       trivet-api bootstrap    make the database's roles, as its administrator
       trivet-api migrate      bring the schema up to date, as its owner

Settings are environment variables: docs/configuration.md.`

func main() {
	ctx, stop := process.Signals(context.Background())
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "api: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return serve(ctx)
	case len(args) == 1 && args[0] == "bootstrap":
		return prepare("made the database's roles", func(_ *slog.Logger, cfg config.Backends, roles config.DatabaseRoles) error {
			return backends.Bootstrap(ctx, cfg, roles)
		})
	case len(args) == 1 && args[0] == "migrate":
		return prepare("the schema is up to date", func(logger *slog.Logger, cfg config.Backends, roles config.DatabaseRoles) error {
			return backends.Migrate(ctx, cfg, roles, backends.Options{Logger: logger})
		})
	default:
		return fmt.Errorf("unknown arguments %q\n%s", args, usage)
	}
}

func serve(ctx context.Context) error {
	var (
		api      config.API
		users    config.OIDC
		settings = process.Settings{Name: "trivet-api"}
	)
	if err := config.Load(os.Environ(), &api, &users, &settings.TLS, &settings.Admin, &settings.Backends, &settings.Process); err != nil {
		return err
	}
	settings.Logger = newLogger(settings.Process)
	return process.Run(ctx, settings, func(ctx context.Context, host *process.Host) error {
		data, err := service.New(api, users, host)
		if err != nil {
			return err
		}
		if err := host.Start(ctx, "data API", data); err != nil {
			return err
		}
		host.Logger.Info("serving the data API", "address", data.Addr(), "auth", api.Auth)
		return nil
	})
}

// prepare does something to the database once and tells so.
func prepare(done string, do func(logger *slog.Logger, cfg config.Backends, roles config.DatabaseRoles) error) error {
	var (
		cfg   config.Backends
		roles config.DatabaseRoles
		own   config.Process
	)
	if err := config.Load(os.Environ(), &cfg, &roles, &own); err != nil {
		return err
	}
	logger := newLogger(own)
	if err := do(logger, cfg, roles); err != nil {
		return err
	}
	logger.Info(done, "owner", roles.Owner, "users", roles.Users)
	return nil
}

func newLogger(own config.Process) *slog.Logger {
	return telemetry.NewLogger(os.Stderr, own.LogLevel, own.LogFormat).With("service", "api")
}
