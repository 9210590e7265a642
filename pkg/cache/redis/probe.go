package redis

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Probe implements [epoch.Primary]: it looks at Redis, and begins a session
// with what it finds.
func (c *Cache) Probe(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.opts.Timeout)
	defer cancel()
	c.probing.Lock()
	defer c.probing.Unlock()
	former := c.session.Load()
	if former != nil {
		err := c.revisit(ctx, former)
		if err == nil {
			return former.state, nil
		}
		former.down.Store(true)
		if !former.ended.Load() {
			return "", fmt.Errorf("look at Redis: %w", err)
		}
	}
	next, nodes, err := c.address.open(ctx, c.opts, c.scripts.all())
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("connect to Redis: no answer in time: %w", err)
		}
		return "", fmt.Errorf("connect to Redis: %w", err)
	}
	select {
	case <-c.stopped:
		return "", errors.Join(errStopped, next.client.Close())
	default:
	}
	c.warn(nodes)
	c.session.Store(next)
	if former != nil {
		_ = former.client.Close() // what is under way on it fails, as it should
	}
	return next.state, nil
}

// revisit looks whether Redis is in the state of a session still.
func (c *Cache) revisit(ctx context.Context, s *session) error {
	before := s.ahead.Load()
	nodes, err := s.look(ctx)
	if err != nil {
		return err
	}
	if stateOf(nodes) != s.state {
		s.ended.Store(true)
		return errAnotherState
	}
	c.checkClock(ctx, time.Duration(s.ahead.Load()-before)*time.Microsecond)
	s.down.Store(false)
	return nil
}

// checkClock raises the epoch when Redis' clock has been set: deadlines that
// were taken by it before are wrong by as much.
func (c *Cache) checkClock(ctx context.Context, step time.Duration) {
	if step.Abs() < clockStep+c.opts.Timeout {
		return
	}
	if err := c.Cover(ctx, fmt.Errorf("the clock of Redis was set by %s", step.Round(time.Millisecond))); err != nil {
		c.opts.Logger.Error("the clock of Redis was set, and entries may outlive their time", "error", err)
	}
}

// warn tells of a server that does not make room for new entries.
func (c *Cache) warn(nodes []node) {
	for _, n := range nodes {
		if n.policy == "noeviction" {
			c.opts.Logger.Warn("Redis keeps everything until its memory is full (maxmemory-policy noeviction) and then stores nothing new; set allkeys-lru",
				"maxmemory_set", n.bounded)
			return
		}
	}
}
