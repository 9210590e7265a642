package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/health"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/watch"
)

// Defaults of [Options].
const (
	DefaultMaxJSONBytes   = 16 << 20
	DefaultMaxBodiesBytes = 256 << 20
	DefaultMaxResultBytes = 16 << 20
	DefaultRequestTimeout = 10 * time.Second
	DefaultBodyTimeout    = 20 * time.Second
	DefaultWriteTimeout   = time.Minute
	DefaultHeaderTimeout  = 10 * time.Second
	DefaultIdleTimeout    = 2 * time.Minute
	DefaultSlowRequest    = time.Second
	maxHeaderBytes        = 64 << 10
)

// Watcher serves watch streams. An error is one that was met before the first
// byte; the stream has to end when ctx does, with its cause as the reason.
type Watcher interface {
	Serve(ctx context.Context, w http.ResponseWriter, r *http.Request, req watch.Request) error
}

// Options configure a [Server]. Zero values are replaced by the defaults.
type Options struct {
	Listen string // HOST:PORT; port 0 takes a free one
	Store  kv.Store
	Broker broker.Broker // nil: no write is asynchronous, whatever it prefers
	Watch  Watcher

	OpenAPI http.Handler // serves /openapi.json
	Docs    http.Handler // serves /docs and what is below it
	Metrics http.Handler // serves /metrics

	// Readiness is what /ready answers, here and on the admin listener: Start
	// sets it to ready, Stop to draining. Nil makes one.
	Readiness *health.Readiness

	// Authenticate finds out who sent a request; its errors are unauthenticated
	// or unavailable. Nil turns authentication off: then requests from a
	// foreign host or origin are refused.
	Authenticate func(*http.Request) (*auth.Principal, error)
	Tokens       Tokens // nil: /v1/tokens is not served

	Certificates *certs.Reloader // nil: plain HTTP
	Traced       bool            // requests are spans of OpenTelemetry's provider
	Limits       Limits

	MaxValueBytes  int64 // of a value, at most kv.MaxValueBytes, which is the default
	MaxJSONBytes   int64 // of a JSON body, in which values are base64
	MaxBodiesBytes int64 // of all requests' bodies, and of large answers, that are being worked on; an eighth of it, or one body, of one caller
	MaxResultBytes int64 // of the values that one batch or transaction answers

	RequestTimeout time.Duration // for a request without its body
	BodyTimeout    time.Duration // for each 256 KiB of a body
	WriteTimeout   time.Duration // for a client to take its answer
	HeaderTimeout  time.Duration // for the headers of a request
	IdleTimeout    time.Duration // for the next request of a connection
	DrainDelay     time.Duration // between not being ready and taking no more connections
	SlowRequest    time.Duration // from which on a request is logged as a warning

	Logger     *slog.Logger          // nil logs nothing
	Registerer prometheus.Registerer // nil registers nothing
	Now        func() time.Time      // nil is time.Now
}

func (o Options) withDefaults() (Options, error) {
	if o.Store == nil {
		return o, errors.New("the API needs a store")
	}
	if o.MaxValueBytes < 0 || o.MaxValueBytes > kv.MaxValueBytes {
		return o, fmt.Errorf("the limit of values is %d bytes; it has to be 1 to %d", o.MaxValueBytes, kv.MaxValueBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Readiness == nil {
		o.Readiness = new(health.Readiness)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	orDefault(&o.MaxValueBytes, kv.MaxValueBytes)
	orDefault(&o.MaxJSONBytes, DefaultMaxJSONBytes)
	orDefault(&o.MaxBodiesBytes, DefaultMaxBodiesBytes)
	orDefault(&o.MaxResultBytes, DefaultMaxResultBytes)
	orDefault(&o.RequestTimeout, DefaultRequestTimeout)
	orDefault(&o.BodyTimeout, DefaultBodyTimeout)
	orDefault(&o.WriteTimeout, DefaultWriteTimeout)
	orDefault(&o.HeaderTimeout, DefaultHeaderTimeout)
	orDefault(&o.IdleTimeout, DefaultIdleTimeout)
	orDefault(&o.SlowRequest, DefaultSlowRequest)
	o.Limits = o.Limits.withDefaults()
	return o, nil
}

func orDefault[T int64 | time.Duration](option *T, value T) {
	if *option <= 0 {
		*option = value
	}
}
