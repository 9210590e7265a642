package server

import (
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/limit"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// Defaults of [Limits].
const (
	DefaultMaxInFlight    = 1024
	DefaultMaxConnections = 8192
	DefaultMaxStreams     = 16384
)

// Limits keep one caller from taking what all need. With authentication on,
// half of what a limit allows may be one caller's.
type Limits struct {
	MaxInFlight    int // requests at a time, watch streams aside
	MaxConnections int // at a time
	MaxStreams     int // watch streams at a time; one caller's never take more than half of the connections
	CallerRate     int // operations per second of each caller, twice as many at once; 0: no limit
	NamespaceRate  int // the same of each namespace
}

func (l Limits) withDefaults() Limits {
	if l.MaxInFlight == 0 {
		l.MaxInFlight = DefaultMaxInFlight
	}
	if l.MaxConnections == 0 {
		l.MaxConnections = DefaultMaxConnections
	}
	if l.MaxStreams == 0 {
		l.MaxStreams = DefaultMaxStreams
	}
	return l
}

// limiter holds requests against the limits.
type limiter struct {
	requests   *limit.Gate
	streams    *limit.Gate
	bodies     *limit.Gate // bytes
	callers    *limit.Rate
	namespaces *limit.Rate
	conns      *limit.Conns
}

func newLimiter(l Limits, bodies int64, authenticated bool) *limiter {
	share := func(most int) int64 {
		if !authenticated {
			return int64(most) // there is one caller only
		}
		return int64(most+1) / 2
	}
	return &limiter{
		requests:   limit.NewGate(int64(l.MaxInFlight), share(l.MaxInFlight)),
		streams:    limit.NewGate(int64(l.MaxStreams), share(min(l.MaxStreams, l.MaxConnections))),
		bodies:     limit.NewGate(bodies, share(int(bodies))),
		callers:    limit.NewRate(l.CallerRate),
		namespaces: limit.NewRate(l.NamespaceRate),
		conns:      limit.NewConns(l.MaxConnections),
	}
}

var errShed = &kv.Error{
	Code:       kv.CodeOverloaded,
	Detail:     "the server is working on as many requests as it takes; try again",
	RetryAfter: time.Second,
}

var errShedCaller = &kv.Error{
	Code:       kv.CodeOverloaded,
	Detail:     "the server is working on as many requests of this caller as it takes; send fewer at a time",
	RetryAfter: time.Second,
}

var errBodies = &kv.Error{
	Code:       kv.CodeOverloaded,
	Detail:     "the server is working on as many bytes of requests and answers as it takes; try again",
	RetryAfter: time.Second,
}

// enter makes room for the call, or sheds it before a queue can build. Health
// always comes in, and so do administrators to administer: they are what is
// left when all else is refused.
func (c *call) enter() error {
	if c.route.vital && (c.route.open || c.caller.IsAdministrator()) {
		return nil
	}
	if err := c.pace(1); err != nil {
		return err
	}
	gate := c.server.limiter.requests
	if c.route.endless {
		gate = c.server.limiter.streams
	}
	refusal, ok := gate.Enter(c.caller.ID, 1)
	if ok {
		c.gate = gate
		return nil
	}
	c.server.metrics.shed(refusal)
	if refusal == limit.RefusedCaller {
		return errShedCaller
	}
	return errShed
}

// leave gives back what the call has taken.
func (c *call) leave() {
	if c.gate != nil {
		c.gate.Leave(c.caller.ID, 1)
	}
	if c.reserved > 0 {
		c.server.limiter.bodies.Leave(c.caller.ID, c.reserved)
	}
}

// reserve counts bytes of bodies that the call holds until it ends.
func (c *call) reserve(n int64) error {
	if n <= 0 {
		return nil
	}
	if refusal, ok := c.server.limiter.bodies.Enter(c.caller.ID, n); !ok {
		c.server.metrics.shed(refusal)
		return errBodies
	}
	c.reserved += n
	return nil
}

// pace counts n operations against the rates of the caller and the namespace.
func (c *call) pace(n int) error {
	l := c.server.limiter
	if n <= 0 || l.callers == nil && l.namespaces == nil {
		return nil
	}
	now := time.Now()
	if after, ok := l.callers.Allow(c.caller.ID, n, now); !ok {
		return rateLimited("this caller", after)
	}
	ns, err := request.Namespace(c.params.ByName("ns"))
	if err != nil { // there is none, or the call will be refused for it
		return nil
	}
	if after, ok := l.namespaces.Allow(ns, n, now); !ok {
		return rateLimited("this namespace", after)
	}
	return nil
}

// hold counts the values of an answer against the budget of bodies: a client
// that does not read what it has asked for must not fill the memory. Small
// ones, which a socket's buffer takes, are not worth the counting.
func (c *call) hold(size int64) error {
	if size <= heldFrom || c.r.Method == http.MethodHead {
		return nil
	}
	return c.reserve(size)
}

// heldFrom is the size above which an answer counts.
const heldFrom = 64 << 10

// paceRest counts the operations of a batch or a transaction, the first of
// which was counted when the call came in.
func (c *call) paceRest(n int) error { return c.pace(n - 1) }

func rateLimited(whose string, after time.Duration) error {
	return &kv.Error{
		Code:       kv.CodeRateLimited,
		Detail:     "the rate limit of " + whose + " was reached",
		RetryAfter: after,
	}
}
