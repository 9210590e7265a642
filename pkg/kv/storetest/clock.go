package storetest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until a test moves it. Like a machine's it
// tells two times: the wall clock's, which may step, and monotonic time, which
// only passes.
type Clock struct {
	mu        sync.Mutex
	wall      time.Time
	monotonic time.Time
}

// NewClock makes a clock that stands at a moment of the year 2026, not at a
// whole millisecond.
func NewClock() *Clock {
	start := time.Date(2026, time.January, 2, 3, 4, 5, 678_901_000, time.UTC)
	return &Clock{wall: start, monotonic: start}
}

// Now gives the wall clock's time, for a store.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

// Monotonic gives a time that passes as Advance says and never steps, for a
// cache.
func (c *Clock) Monotonic() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.monotonic
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
	c.monotonic = c.monotonic.Add(d)
}

// StepBack sets the wall clock back.
func (c *Clock) StepBack(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(-d)
}
