// Package server serves Trivet's data API over HTTP.
//
// A handler reads a request into the types of package kv, calls the store and
// writes the answer; it returns what went wrong. One place answers errors,
// counts and logs (serve.go), and one table maps codes to statuses
// (problem.go).
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/pkg/tracing"
)

// Server serves the API. It is a lifecycle.Service.
type Server struct {
	opts    Options
	routes  []*route
	router  *gin.Engine
	metrics *metrics
	ids     *requestIDs
	limiter *limiter
	http    *http.Server

	// streams ends when the server stops; its cause is what their last event says.
	streams    context.Context
	endStreams context.CancelCauseFunc

	draining atomic.Bool

	mu       sync.Mutex
	listener net.Listener
	served   chan struct{} // closed when Serve has returned
	stopped  bool
}

var _ lifecycle.Service = (*Server)(nil)

// New makes a server; Start lets it listen.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, routes: table(), ids: newRequestIDs()}
	s.limiter = newLimiter(&opts)
	s.metrics = newMetrics(opts.Registerer, s.limiter)
	for _, r := range s.routes {
		r.metrics = s.metrics.of(r.Route)
	}
	s.router = s.newRouter()
	s.streams, s.endStreams = context.WithCancelCause(context.Background())
	var handler http.Handler = s
	if opts.Traced {
		handler = tracing.Handler(s)
	}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: opts.HeaderTimeout,
		IdleTimeout:       opts.IdleTimeout,
		// A body has its own deadlines, by progress (body.go), and moves this one.
		WriteTimeout:   opts.RequestTimeout + opts.WriteTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ConnState:      s.limiter.conns.Track,
		// Every answer is this server's own.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil || s.stopped {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return listenError(s.opts.Listen, err)
	}
	if s.opts.Certificates != nil {
		listener = tls.NewListener(listener, s.opts.Certificates.Config())
	}
	s.listener = listener
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Logger.Error("the data API stopped listening", "error", err)
		}
	}()
	s.opts.Readiness.Started()
	return nil
}

func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("TRIVET_LISTEN: %s is taken by another process; name another address, or port 0 for a free one", address)
	}
	return fmt.Errorf("TRIVET_LISTEN: listen on %s: %w", address, err)
}

// Addr gives the address that the server listens on, nil before Start.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

var errStopping = &kv.Error{
	Code:       kv.CodeUnavailable,
	Detail:     "the server is stopping; reconnect with Last-Event-ID",
	RetryAfter: time.Second,
}

// Stop says that the server is not ready, waits for DrainDelay so that
// balancers notice, and stops: streams end with a reason, requests under way
// are finished, and connections are closed behind their answer. When ctx ends
// first, what is left is cut off.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	served := s.served
	s.mu.Unlock()
	if !first || served == nil {
		return nil
	}
	s.opts.Readiness.Drain()
	s.draining.Store(true)
	s.drain(ctx)
	s.endStreams(errStopping)
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("finish the requests under way: %w", err)
	}
	<-served
	return nil
}

func (s *Server) drain(ctx context.Context) {
	if s.opts.DrainDelay <= 0 {
		return
	}
	timer := time.NewTimer(s.opts.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
