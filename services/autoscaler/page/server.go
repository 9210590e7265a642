package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server serves a handler. It is a lifecycle.Service.
type Server struct {
	address string
	http    *http.Server
	logger  *slog.Logger
}

// NewServer makes a server that Start starts.
func NewServer(address string, handler http.Handler, logger *slog.Logger) *Server {
	return &Server{address: address, logger: logger, http: &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}}
}

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for decisions: %w", err)
	}
	s.logger.Info("serving decisions", "address", listener.Addr().String())
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("decisions are no longer served", "error", err)
		}
	}()
	return nil
}

// Stop finishes what is being answered.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop serving decisions: %w", err)
	}
	return nil
}
