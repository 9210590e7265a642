package worker

import (
	"fmt"
	"sync/atomic"
)

// condition is how the last attempt at something ended.
type condition struct {
	what   string
	failed atomic.Pointer[error]
}

// set notes an attempt; nil is one that succeeded.
func (c *condition) set(err error) {
	if err == nil {
		c.failed.Store(nil)
		return
	}
	c.failed.Store(&err)
}

func (c *condition) err() error {
	if failed := c.failed.Load(); failed != nil {
		return fmt.Errorf("%s: %w", c.what, *failed)
	}
	return nil
}
