// Command api is the service that answers the data API over HTTP.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/api/service"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "api: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		api      config.API
		users    config.OIDC
		settings = process.Settings{Name: "trivet-api"}
	)
	if err := config.Load(os.Environ(), &api, &users, &settings.TLS, &settings.Admin, &settings.Backends, &settings.Process); err != nil {
		return err
	}
	settings.Logger = telemetry.NewLogger(os.Stderr, settings.Process.LogLevel, settings.Process.LogFormat).With("service", "api")

	ctx, stop := process.Signals(context.Background())
	defer stop()
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
