package server

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/limit"
)

// Defaults of [Limits].
const (
	DefaultMaxInFlight    = 1024
	DefaultMaxConnections = 8192
	DefaultMaxStreams     = 16384
)

// Limits keep one caller from taking what all need. With authentication on,
// each may have a share of them.
type Limits struct {
	MaxInFlight    int // requests at a time, watch streams aside; an eighth of one caller
	MaxConnections int // at a time
	MaxStreams     int // watch streams at a time; half of one caller, who never has more than half of the connections
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
	refusals   *limit.Gate // that are held for a moment
	callers    *limit.Rate
	namespaces *limit.Rate
	conns      *limit.Conns
}

func newLimiter(opts *Options) *limiter {
	l := opts.Limits
	gate := func(total, share int64) *limit.Gate {
		if opts.Authenticate == nil {
			share = total // there is one caller only
		}
		return limit.NewGate(total, share)
	}
	connections := int64(l.MaxConnections)
	return &limiter{
		requests:   gate(int64(l.MaxInFlight), int64(l.MaxInFlight+7)/8),
		streams:    gate(int64(l.MaxStreams), (min(int64(l.MaxStreams), connections)+1)/2),
		bodies:     gate(opts.MaxBodiesBytes, max(opts.MaxBodiesBytes/8, opts.MaxValueBytes, opts.MaxJSONBytes)),
		refusals:   limit.NewGate(connections, connections/8),
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
	if err := c.pace(); err != nil {
		return err
	}
	gate := c.server.limiter.requests
	if c.route.endless {
		gate = c.server.limiter.streams
	}
	if c.r.Method == http.MethodGet && !c.route.endless && c.server.holdsMuch(c.caller.ID) {
		// The size of an answer is known once it is in memory, so who has not
		// read its last ones gets none to begin with.
		c.server.metrics.shed(limit.RefusedCaller)
		return errBodies
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

// holdsMuch tells whether a caller's bodies and answers leave no room for
// another large value within its share.
func (s *Server) holdsMuch(caller string) bool {
	bodies := s.limiter.bodies
	return bodies.InUseBy(caller) > max(0, bodies.PerCaller()-s.opts.MaxValueBytes)
}

// A refusal is held of a caller who has sent too much. Who sends the next
// request behind each answer, over however many connections, is slowed down by
// it; the others gain what refusing costs. On average it is held for as long as
// the caller has to wait anyway, within these bounds.
const (
	shortestPause = 250 * time.Millisecond
	longestPause  = time.Second
)

// pause gives for how long a refusal is held: for half to one and a half of the
// average, each for a time of its own. Hundreds that were refused together would
// otherwise come back together, too, and whoever asks at that moment would wait
// behind them.
func pause(refusal error) time.Duration {
	mean := shortestPause
	if e := kv.AsError(refusal); e.Code == kv.CodeRateLimited {
		mean = min(max(e.RetryAfter, shortestPause), longestPause)
	}
	return mean/2 + rand.N(mean) //nolint:gosec // nobody gains from guessing it
}

// holdRefusal waits before a refusal is answered, unless that would itself keep
// too much busy.
func (c *call) holdRefusal(refusal error) {
	c.leave()
	if c.w.Written() {
		return
	}
	refusals := c.server.limiter.refusals
	if _, ok := refusals.Enter(c.caller.ID, 1); !ok {
		return
	}
	defer refusals.Leave(c.caller.ID, 1)
	timer := time.NewTimer(pause(refusal))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Done():
	case <-c.server.streams.Done(): // the server is stopping
	}
}

// leave gives back what the call has taken.
func (c *call) leave() {
	if c.gate != nil {
		c.gate.Leave(c.caller.ID, 1)
		c.gate = nil
	}
	if c.reserved > 0 {
		c.server.limiter.bodies.Leave(c.caller.ID, c.reserved)
		c.reserved = 0
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

// pace counts the call against the rates of its caller and its namespace.
func (c *call) pace() error {
	l := c.server.limiter
	if l.callers == nil && l.namespaces == nil {
		return nil
	}
	now := time.Now()
	if after, ok := l.callers.Allow(c.caller.ID, now); !ok {
		return rateLimited("this caller", after)
	}
	// A path without a good one has no namespace to count against.
	if ns, err := c.namespace(); err == nil {
		if after, ok := l.namespaces.Allow(ns, now); !ok {
			return rateLimited("this namespace", after)
		}
	}
	return nil
}

// paceRest counts the operations of a batch or a transaction, the first of
// which was counted when the call came in.
func (c *call) paceRest(ns string, operations int) {
	now := time.Now()
	c.server.limiter.callers.Owe(c.caller.ID, operations-1, now)
	c.server.limiter.namespaces.Owe(ns, operations-1, now)
}

// What one operation of a rate may carry; a larger body or value costs as many
// operations as it begins such parts. Eight MiB cost others thousands of times
// what a small value costs them, and written they cost them several times what
// they do when read: the log, the tables and their merging take them, too.
const (
	writtenBytes = 1 << 10
	readBytes    = 4 << 10
)

// paceBytes counts a body or an answer of n bytes, of which each operation may
// carry so many, against the rates of its caller and its namespace, beyond the
// operation that was counted when the call came in.
func (c *call) paceBytes(n, carried int64) {
	l := c.server.limiter
	operations := int((n - 1) / carried)
	if operations <= 0 || l.callers == nil && l.namespaces == nil {
		return
	}
	now := time.Now()
	l.callers.Owe(c.caller.ID, operations, now)
	if ns, err := c.namespace(); err == nil {
		l.namespaces.Owe(ns, operations, now)
	}
}

// hold counts the values of an answer against the budget of bodies: a client
// that does not read what it has asked for must not fill the memory. Small
// ones, which a socket's buffer takes, are not worth the counting.
func (c *call) hold(size int64) error {
	if c.r.Method == http.MethodHead {
		return nil
	}
	c.paceBytes(size, readBytes)
	if size <= heldFrom {
		return nil
	}
	return c.reserve(size)
}

// heldFrom is the size above which an answer counts.
const heldFrom = 64 << 10

func rateLimited(whose string, after time.Duration) error {
	return &kv.Error{
		Code:       kv.CodeRateLimited,
		Detail:     "the rate limit of " + whose + " was reached",
		RetryAfter: after,
	}
}
