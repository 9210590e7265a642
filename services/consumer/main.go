// Command consumer is the service that applies asynchronous writes and keeps
// the database tidy: it sweeps expired keys and compacts what is past its
// retention.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/consumer/worker"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "consumer: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	settings := process.Settings{Name: "trivet-consumer"}
	if err := config.Load(os.Environ(), &settings.TLS, &settings.Admin, &settings.Backends, &settings.Process); err != nil {
		return err
	}
	settings.Logger = telemetry.NewLogger(os.Stderr, settings.Process.LogLevel, settings.Process.LogFormat).With("service", "consumer")

	ctx, stop := process.Signals(context.Background())
	defer stop()
	return process.Run(ctx, settings, func(ctx context.Context, host *process.Host) error {
		w, err := worker.New(worker.Options{
			Store:      host.Backends.Store,
			Maintainer: host.Backends.Maintainer,
			Broker:     host.Backends.Broker,
			Logger:     host.Logger,
			Registerer: host.Metrics,
		})
		if err != nil {
			return err
		}
		return host.Start(ctx, "consumer", w)
	})
}
