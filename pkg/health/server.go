package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/telemetry"
)

// ServerOptions are what an admin server needs.
type ServerOptions struct {
	Address      string // HOST:PORT
	Fallback     string // HOST:PORT to take when Address is taken; empty: that is an error
	Readiness    *Readiness
	Dependencies []Dependency
	Metrics      prometheus.Gatherer
	Certificates *certs.Reloader // nil: plain HTTP
	Logger       *slog.Logger
}

// Server serves /health, /ready and /metrics to operators, without
// authentication. It is a lifecycle.Service, to be started first and stopped
// last, so that it can tell that the process drains.
type Server struct {
	address  string
	fallback string
	http     *http.Server
	certs    *certs.Reloader
	logger   *slog.Logger

	mu       sync.Mutex
	listener net.Listener
}

// NewServer makes a server that Start starts.
func NewServer(opts ServerOptions) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /health", Verbose(opts.Dependencies))
	mux.Handle("GET /ready", opts.Readiness)
	mux.Handle("GET /metrics", telemetry.Handler(opts.Metrics))
	profiles(mux)
	return &Server{
		address:  opts.Address,
		fallback: opts.Fallback,
		certs:    opts.Certificates,
		logger:   opts.Logger,
		http: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
		},
	}
}

// writeTimeout leaves time for a profile or a trace of half a minute.
const writeTimeout = time.Minute

// profiles serves Go's profiles, which tell operators where time and memory go.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if s.certs != nil {
		listener = tls.NewListener(listener, s.certs.ProbeConfig())
	}
	s.listener = listener
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("the admin server ended", "error", err)
		}
	}()
	return nil
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	var cfg net.ListenConfig
	listener, err := cfg.Listen(ctx, "tcp", s.address)
	taken := errors.Is(err, syscall.EADDRINUSE)
	if taken && s.fallback != "" {
		return cfg.Listen(ctx, "tcp", s.fallback)
	}
	if taken {
		return nil, fmt.Errorf("TRIVET_ADMIN_LISTEN: %s is taken by another process; name another address, or port 0 for a free one", s.address)
	}
	if err != nil {
		return nil, fmt.Errorf("TRIVET_ADMIN_LISTEN: listen on %s: %w", s.address, err)
	}
	return listener, nil
}

// Addr gives the address that is served, nil before Start.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Stop lets requests under way finish and then ends the server; at ctx it
// cuts them off.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("finish admin requests: %w", err), s.http.Close())
	}
	return nil
}
