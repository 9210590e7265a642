package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/tracing"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// newRouter makes the router of the routes. It matches paths as they were sent
// and redirects nothing: every byte of a path may be part of a key.
func (s *Server) newRouter() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.RedirectTrailingSlash = false
	router.RedirectFixedPath = false
	router.RemoveExtraSlash = false
	router.HandleMethodNotAllowed = true
	router.UnescapePathValues = false
	router.ForwardedByClientIP = false
	for _, r := range s.routes {
		router.Handle(r.Method, r.pattern(), func(g *gin.Context) { s.handle(g.Writer, g.Request, nil, g.Params, r) })
	}
	router.NoRoute(func(g *gin.Context) { s.handle(g.Writer, g.Request, nil, g.Params, s.unknown) })
	router.NoMethod(func(g *gin.Context) {
		g.Writer.Header().Del("Allow") // the router's own, which does not know of suffixes
		s.handle(g.Writer, g.Request, nil, g.Params, s.unknown)
	})
	return router
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.markHandled(r)
	r.URL.Path = request.RawPath(r) // what the router matches
	s.router.ServeHTTP(w, r)
}

// handle runs a route and is the one place that answers errors, counts and
// logs. It is given the client's connection where nobody else watches it.
func (s *Server) handle(w responseWriter, r *http.Request, client *conn, params gin.Params, to *route) {
	start := time.Now()
	c := &call{server: s, route: to, w: w, r: r, path: r.URL.Path, params: params}
	c.parent, c.client = r.Context(), client
	c.id = s.ids.of(r.Header)
	if !to.endless {
		c.deadline = start.Add(s.opts.RequestTimeout)
	}
	if r.ContentLength != 0 {
		c.awaitBody(unwantedBodyTimeout)
	}
	c.setText("X-Request-Id", c.id)
	if s.draining.Load() {
		c.set("Connection", headerClose)
	}
	if s.opts.Traced {
		tracing.Name(c.parent, to.Method, to.Path)
	}
	s.metrics.inFlight.Inc()
	defer func() {
		failure := recover()
		s.metrics.inFlight.Dec()
		c.leave()
		c.release()
		if failure != nil {
			c.panicked(failure, start)
		}
	}()
	err := c.run()
	c.finish(err, time.Since(start))
}

var headerClose = []string{"close"}

// run checks who is calling, serves the route and answers its error.
func (c *call) run() error {
	err := c.admit()
	if err == nil {
		c.query, err = request.ParseQuery(c.r.URL.RawQuery, c.route.Query)
	}
	if err == nil {
		err = c.route.serve(c)
	}
	switch kv.CodeOf(err) {
	case kv.CodeRateLimited, kv.CodeOverloaded:
		c.holdRefusal(err)
	}
	if err != nil && !c.w.Written() {
		if failErr := c.fail(kv.AsError(err)); failErr != nil {
			return errors.Join(err, failErr)
		}
	}
	return err
}

// statusClientGone is counted, never sent: nobody is there to be answered.
const statusClientGone = 499

// finish counts and logs an answered request.
func (c *call) finish(err error, took time.Duration) {
	status := c.w.Status()
	if err != nil && c.clientGone() {
		status = statusClientGone
	}
	c.route.metrics.observe(c.r.Method, status, c.w.Size(), took, c.route.endless)
	level := slog.LevelDebug
	switch {
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case took >= c.server.opts.SlowRequest && !c.route.endless:
		level = slog.LevelWarn
	}
	if logger := c.server.opts.Logger; logger.Enabled(c, level) {
		c.log(logger, level, status, took, err)
	}
}

func (c *call) log(logger *slog.Logger, level slog.Level, status int, took time.Duration, err error) {
	attrs := []slog.Attr{
		slog.String("request_id", c.id),
		slog.String("method", c.r.Method),
		slog.String("route", c.route.Path),
		slog.Int("status", status),
		slog.Duration("took", took),
		slog.Int("bytes", max(0, c.w.Size())),
		slog.String("remote", c.r.RemoteAddr),
	}
	if c.caller != nil {
		attrs = append(attrs, slog.String("caller", c.caller.ID))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if level == slog.LevelDebug {
		attrs = append(attrs, slog.String("path", c.path))
	} else if hash := c.keyHash(); hash != "" {
		attrs = append(attrs, slog.String("key_hash", hash))
	}
	logger.LogAttrs(context.WithoutCancel(c), level, "request", attrs...)
}

// panicked answers 500, and cuts the connection when the answer had begun: a
// client must not take half an answer for a whole one.
func (c *call) panicked(failure any, start time.Time) {
	err := &kv.Error{Code: kv.CodeInternal, Detail: "an internal error occurred"}
	begun := c.w.Written()
	if !begun {
		clear(c.w.Header())
		c.w.Header()["X-Request-Id"] = []string{c.id}
		c.w.Header()["Connection"] = headerClose
		_ = c.fail(err)
	}
	if failure != http.ErrAbortHandler { //nolint:errorlint // recovered, and compared as net/http does
		caller := ""
		if c.caller != nil {
			caller = c.caller.ID
		}
		c.server.opts.Logger.Error("a handler panicked",
			"request_id", c.id, "caller", caller, "key_hash", c.keyHash(), "method", c.r.Method, "route", c.route.Path, "panic", failure, "stack", string(debug.Stack()))
	}
	c.route.metrics.observe(c.r.Method, http.StatusInternalServerError, c.w.Size(), time.Since(start), c.route.endless)
	if begun {
		panic(http.ErrAbortHandler)
	}
}

// unknownPath stands for every path that is no route's.
const unknownPath = "unknown"

// refuseUnknown answers a path or a method that no route has.
func refuseUnknown(c *call) error {
	if methods := allowed(c.server.routes, c.path); len(methods) > 0 {
		return c.methodNotAllowed(methods)
	}
	return kv.Errorf(kv.CodeNotFound, "there is no such path in this API")
}

func (c *call) methodNotAllowed(methods []string) error {
	allow := strings.Join(methods, ", ")
	c.w.Header().Set("Allow", allow)
	return kv.Errorf(kv.CodeMethodNotAllowed, "this path takes %s", allow)
}
