//go:build unix

package redis_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/cachetest"
	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// stillClock stands still until a test moves it.
type stillClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stillClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stillClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestCache(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{
		"standalone": func(tb testing.TB) string { return testserver.RedisURL(tb) },
		"sentinel": func(tb testing.TB) string {
			return testserver.SharedRedisSentinel(tb).URL() + "?prefix=" + strings.ToLower(rand.Text())
		},
		"cluster": func(tb testing.TB) string {
			return testserver.SharedRedisCluster(tb).URL() + "?prefix=" + strings.ToLower(rand.Text())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cachetest.Exercise(t, func(t *testing.T) cachetest.Harness { return harness(t, address(t)) })
		})
	}
}

func harness(t *testing.T, address string) cachetest.Harness {
	t.Helper()
	const absentTTL, leaseTTL = time.Minute, time.Minute
	clock := &stillClock{now: time.Unix(1e9, 0)}
	c, err := redis.NewAt(parse(t, address), redis.Options{
		Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler),
		AbsentTTL: absentTTL, LeaseTTL: leaseTTL, Timeout: 10 * time.Second,
	}, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	start(t, c)
	return cachetest.Harness{
		Cache: c, Advance: clock.Advance,
		Forget: func(key cache.Key) {
			if err := c.Forget(context.Background(), key); err != nil {
				t.Error(err)
			}
		},
		AbsentTTL: absentTTL, LeaseTTL: leaseTTL, Largest: redis.DefaultMaxEntryBytes,
	}
}

func parse(t testing.TB, address string) redis.Address {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	a, err := redis.ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func start(t testing.TB, c *redis.Cache) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
