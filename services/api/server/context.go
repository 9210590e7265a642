package server

import (
	"context"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
)

// requestContext is the context of one request: it carries the request's id
// and caller, and ends at its time limit. The timer is made when somebody first waits for
// the end, which a read that the cache answers never does.
type requestContext struct {
	parent   context.Context
	id       string
	caller   *auth.Principal // nil until it is known
	deadline time.Time       // zero: no time limit
	client   *conn           // of a request that is answered directly, else nil

	mu        sync.Mutex
	timed     context.Context // nil until somebody waits
	cancel    context.CancelFunc
	departure *departure // nil until somebody waits for a direct answer
	err       error      // once met, it stays
}

type requestIDKey struct{}

// RequestID gives the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Deadline implements [context.Context].
func (c *requestContext) Deadline() (time.Time, bool) {
	deadline, ok := c.parent.Deadline()
	if c.deadline.IsZero() || ok && deadline.Before(c.deadline) {
		return deadline, ok
	}
	return c.deadline, true
}

// Done implements [context.Context].
func (c *requestContext) Done() <-chan struct{} {
	if c.deadline.IsZero() {
		return c.parent.Done()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arm()
	return c.timed.Done()
}

// arm makes the timer. It is called with mu held.
func (c *requestContext) arm() {
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.parent, c.deadline)
		if c.client != nil {
			c.departure = c.client.watch(c.cancel)
		}
	}
}

// clientGone tells whether the request has lost its client.
func (c *requestContext) clientGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parent.Err() != nil || c.departure != nil && c.departure.noticed.Load()
}

// Err implements [context.Context].
func (c *requestContext) Err() error {
	if c.deadline.IsZero() {
		return c.parent.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case c.timed != nil:
		c.err = c.timed.Err()
	case c.parent.Err() != nil:
		c.err = c.parent.Err()
	case !time.Now().Before(c.deadline):
		c.arm() // it has ended then, which context.Cause can see
		c.err = c.timed.Err()
	}
	return c.err
}

// Value implements [context.Context].
func (c *requestContext) Value(key any) any {
	switch key.(type) {
	case requestIDKey:
		return c.id
	case callerKey:
		return c.caller
	}
	c.mu.Lock()
	timed := c.timed
	c.mu.Unlock()
	if timed != nil {
		return timed.Value(key)
	}
	return c.parent.Value(key)
}

// release gives the timer back. Nobody watches the client from then on.
func (c *requestContext) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		c.client = nil
		return
	}
	c.cancel()
	if c.departure != nil {
		c.departure.stop()
	}
}
