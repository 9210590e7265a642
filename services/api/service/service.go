// Package service makes one service of the parts of the data API: watch
// streams, the reference, and the HTTP server in front of them and the store.
package service

import (
	"context"
	"fmt"
	"net"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/pkg/process"
	"github.com/trivetkv/trivet/pkg/telemetry"
	"github.com/trivetkv/trivet/services/api/openapi"
	"github.com/trivetkv/trivet/services/api/server"
	"github.com/trivetkv/trivet/services/api/watch"
)

// Service is the data API. It is a lifecycle.Service.
type Service struct {
	hub    *watch.Hub
	server *server.Server
	parts  lifecycle.Group
}

// New makes the data API on what the process shares.
func New(cfg config.API, host *process.Host) (*Service, error) {
	s := &Service{hub: watch.NewHub(host.Backends.Store, watch.Options{
		Logger:     host.Logger,
		Registerer: host.Metrics,
		Problem:    server.Problem,
	})}
	reference := openapi.Handler()
	opts := server.Options{
		Listen:     string(cfg.Listen),
		Store:      host.Backends.Store,
		Broker:     host.Backends.Broker,
		Watch:      s.hub,
		OpenAPI:    reference,
		Docs:       reference,
		Metrics:    telemetry.Handler(host.Metrics),
		Readiness:  host.Readiness,
		DrainDelay: cfg.DrainDelay,
		Logger:     host.Logger,
		Registerer: host.Metrics,
	}
	if cfg.Auth == config.AuthToken {
		if cfg.RootToken == "" {
			host.Logger.Warn("TRIVET_ROOT_TOKEN is not set: with authentication on, nobody can make tokens")
		}
		opts.Authenticate = server.RootToken(cfg.RootToken.Reveal())
	}
	var err error
	if s.server, err = server.New(opts); err != nil {
		return nil, fmt.Errorf("make the data API: %w", err)
	}
	return s, nil
}

// Start lets clients in.
func (s *Service) Start(ctx context.Context) error {
	if err := s.parts.Start(ctx, "watch streams", s.hub); err != nil {
		return err
	}
	return s.parts.Start(ctx, "data API", s.server)
}

// Stop finishes the requests under way and ends watch streams with a reason.
func (s *Service) Stop(ctx context.Context) error { return s.parts.Stop(ctx) }

// Addr gives the address that is served, nil before Start.
func (s *Service) Addr() net.Addr { return s.server.Addr() }
