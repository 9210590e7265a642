package redis

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/trivetkv/trivet/pkg/cache"
)

// use gives the session and the epoch of a step, if there are any that fit.
func (c *Cache) use(of func() (int64, string, bool)) (*session, int64, error) {
	s := c.session.Load()
	if s == nil || s.down.Load() {
		return nil, 0, errNotReached
	}
	number, state, ok := of()
	switch {
	case !ok:
		return nil, 0, errNoEpoch
	case state != s.state:
		return nil, 0, errOtherEpoch
	}
	return s, number, nil
}

// enter begins a step of a reader.
func (c *Cache) enter(call *call) (number int64, err error) {
	call.session, number, err = c.use(c.epochs.Readable)
	return number, err
}

// enterWrite begins a step of a write. Where the epoch is not known, it asks for
// it first. When that cannot be done, the database is away, and nothing is lost:
// before a commit nothing is going to be written, after one the mark stands and
// nobody is told of the write.
func (c *Cache) enterWrite(ctx context.Context, call *call) (number int64, err error) {
	call.session, number, err = c.use(c.epochs.Writable)
	if errors.Is(err, errNoEpoch) {
		if err := c.epochs.Refresh(ctx); err != nil {
			return 0, fmt.Errorf("%w: %w", cache.ErrUnknown, err)
		}
		call.session, number, err = c.use(c.epochs.Writable)
	}
	return number, err
}

// trip makes a round trip on the session that stands. One that fails for more
// than its own sake takes the session down until Redis has been looked at.
func (c *Cache) trip(ctx context.Context, s *session, do func(ctx context.Context) error) error {
	if s != c.session.Load() {
		return errSessionEnded
	}
	if s.down.Load() {
		return errNotReached
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	err := do(ctx)
	if err == nil {
		return nil
	}
	c.metrics.failures.Inc()
	if unusable(err) {
		s.down.Store(true)
		c.keeper.Poke()
	}
	return fmt.Errorf("ask Redis: %w", err)
}

// unusable tells whether an error speaks of the server rather than of one
// command.
func unusable(err error) bool {
	var answer goredis.Error
	if !errors.As(err, &answer) {
		return true
	}
	for _, prefix := range []string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "TRYAGAIN"} {
		if goredis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}
