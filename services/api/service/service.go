// Package service makes one service of the parts of the data API: watch
// streams, the reference, and the HTTP server in front of them and the store.
package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/auth/oidc"
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
	tokens *auth.Registry
	hub    *watch.Hub
	server *server.Server
	parts  lifecycle.Group
}

// New makes the data API on what the process shares.
func New(cfg config.API, users config.OIDC, host *process.Host) (*Service, error) {
	s := &Service{
		tokens: auth.NewRegistry(host.Backends.Store, auth.RegistryOptions{Logger: host.Logger}),
		hub: watch.NewHub(host.Backends.Store, watch.Options{
			Logger:     server.RequestLogger(host.Logger),
			Registerer: host.Metrics,
			Problem:    server.Problem,
			MaxStreams: cfg.MaxStreams,
		}),
	}
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

		Tokens:         s.tokens,
		Certificates:   host.Certificates,
		Traced:         host.Traced,
		MaxValueBytes:  int64(cfg.MaxValueBytes),
		MaxBodiesBytes: int64(cfg.MaxBodiesBytes),
		Limits: server.Limits{
			MaxInFlight:    cfg.MaxInFlight,
			MaxConnections: cfg.MaxConnections,
			MaxStreams:     cfg.MaxStreams,
			CallerRate:     cfg.CallerRate,
			NamespaceRate:  cfg.NamespaceRate,
		},
	}
	var err error
	if cfg.Auth == config.AuthToken {
		if opts.Authenticate, err = s.authenticate(cfg, users); err != nil {
			return nil, err
		}
	}
	if s.server, err = server.New(opts); err != nil {
		return nil, fmt.Errorf("make the data API: %w", err)
	}
	return s, nil
}

// authenticate lets in whom the configuration names: tokens of the store, the
// root token, and the users of an OpenID Connect issuer.
func (s *Service) authenticate(cfg config.API, users config.OIDC) (func(*http.Request) (*auth.Principal, error), error) {
	opts := auth.Options{Registry: s.tokens, RootToken: cfg.RootToken.Reveal()}
	if users.Issuer != "" {
		issuer, err := oidc.New(users.Options())
		if err != nil {
			return nil, &config.Error{Name: "TRIVET_OIDC_ISSUER", Problem: err.Error()}
		}
		opts.Issuer = issuer
	}
	a := auth.New(opts)
	return func(r *http.Request) (*auth.Principal, error) { return a.Authenticate(r.Context(), r.Header) }, nil
}

// Start lets clients in. When a part does not start, those before it are
// stopped again.
func (s *Service) Start(ctx context.Context) error {
	for _, part := range []struct {
		name string
		lifecycle.Service
	}{{"tokens", s.tokens}, {"watch streams", s.hub}, {"data API", s.server}} {
		if err := s.parts.Start(ctx, part.name, part.Service); err != nil {
			return errors.Join(err, s.parts.Stop(ctx))
		}
	}
	return nil
}

// Stop finishes the requests under way and ends watch streams with a reason.
func (s *Service) Stop(ctx context.Context) error { return s.parts.Stop(ctx) }

// Addr gives the address that is served, nil before Start.
func (s *Service) Addr() net.Addr { return s.server.Addr() }
