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

	"github.com/trivetkv/trivet/pkg/lifecycle"
	"github.com/trivetkv/trivet/pkg/tracing"
	"github.com/trivetkv/trivet/services/api/watch"
)

// Server serves the API. It is a lifecycle.Service.
type Server struct {
	opts        Options
	routes      []*route
	unknown     *route            // of what none of them has
	direct      map[string]*route // by method: those of one key, that plain requests take; nil: none is answered directly
	router      *gin.Engine
	limiter     *limiter
	metrics     *metrics
	ids         *requestIDs
	http        *http.Server
	connections *connections

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
	s := &Server{opts: opts, routes: table(), ids: newRequestIDs(), connections: newConnections()}
	s.limiter = newLimiter(&opts)
	s.metrics = newMetrics(opts.Registerer, s.limiter, s.connections)
	for _, r := range s.routes {
		r.metrics = s.metrics.of(r.Route)
	}
	s.unknown = &route{Route: Route{Path: unknownPath}, serve: refuseUnknown, metrics: s.metrics.unknown()}
	s.router = s.newRouter()
	if !opts.Traced { // a span is net/http's handler's
		s.direct = directRoutes(s.routes)
	}
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

		// OPTIONS * is answered as any other path that is not there.
		DisableGeneralOptionsHandler: true,

		ConnContext: connContext,
		ConnState: func(c net.Conn, state http.ConnState) {
			s.connections.follow(c, state)
			s.limiter.conns.Track(c, state)
		},
		ErrorLog: slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
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
	accepting, err := config.Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return listenError(s.opts.Listen, err)
	}
	accepting = boundedListener{accepting}
	if s.opts.Certificates != nil {
		// net/http has to see TLS connections themselves for HTTP/2.
		accepting = tls.NewListener(accepting, s.opts.Certificates.Config())
	} else {
		accepting = listener{accepting, s}
	}
	s.listener = accepting
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(accepting); !s.draining.Load() {
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

// Stop says that the server is not ready, waits for DrainDelay so that
// balancers notice, and stops: streams end with a reason, requests under way
// are finished, and connections are closed behind their answer. When ctx ends
// first, what is left is cut off.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	accepting, served := s.listener, s.served
	s.mu.Unlock()
	if !first || served == nil {
		return nil
	}
	s.opts.Readiness.Drain()
	s.draining.Store(true)
	s.drain(ctx)
	s.endStreams(watch.ErrStopping)

	// A request that http.Server reads once Shutdown has begun is dropped. So
	// connections end first, behind their next answer; what Shutdown meets are
	// idle ones.
	_ = accepting.Close()
	<-served // or Shutdown would close the listener again, and fail
	s.connections.quiesce(ctx)
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		return fmt.Errorf("finish the requests under way: %w", err)
	}
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
