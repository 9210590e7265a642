package server

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/limit"
)

// Defaults of [Limits].
const (
	DefaultMaxInFlight    = 1024
	DefaultMaxConnections = 8192
)

// Limits keep one caller from taking what all need.
type Limits struct {
	MaxInFlight    int // requests at a time, watch streams aside; half of them may be one caller's
	MaxConnections int // at a time
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
	return l
}

// limiter holds requests against the limits.
type limiter struct {
	gate       *limit.Gate
	callers    *limit.Rate
	namespaces *limit.Rate
	conns      *limit.Conns
}

func newLimiter(l Limits, authenticated bool) *limiter {
	perCaller := (l.MaxInFlight + 1) / 2
	if !authenticated {
		perCaller = l.MaxInFlight // there is one caller only
	}
	return &limiter{
		gate:       limit.NewGate(l.MaxInFlight, perCaller),
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

// enter makes room for the call, or sheds it before a queue can build. Health
// and administration always come in: they are what is left when all else is
// refused.
func (c *call) enter() error {
	l := c.server.limiter
	if c.route.vital {
		return nil
	}
	if err := c.pace(1); err != nil {
		return err
	}
	if c.route.endless { // the watch hub bounds streams
		return nil
	}
	refusal, ok := l.gate.Enter(c.principal.ID)
	if ok {
		c.entered = true
		return nil
	}
	c.server.metrics.shed(refusal)
	if refusal == limit.RefusedCaller {
		return errShedCaller
	}
	return errShed
}

// leave ends what enter began.
func (c *call) leave() {
	if c.entered {
		c.server.limiter.gate.Leave(c.principal.ID)
	}
}

// pace counts n operations against the rates of the caller and the namespace.
// A batch counts each of its operations.
func (c *call) pace(n int) error {
	l := c.server.limiter
	now := time.Now()
	if after, ok := l.callers.Allow(c.principal.ID, n, now); !ok {
		return rateLimited("this caller", after)
	}
	ns := c.params.ByName("ns")
	if ns == "" {
		return nil
	}
	if after, ok := l.namespaces.Allow(ns, n, now); !ok {
		return rateLimited("this namespace", after)
	}
	return nil
}

func rateLimited(whose string, after time.Duration) error {
	return &kv.Error{
		Code:       kv.CodeRateLimited,
		Detail:     "the rate limit of " + whose + " was reached",
		RetryAfter: after,
	}
}
