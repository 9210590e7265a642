//go:build unix

package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
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
	"github.com/trivetkv/trivet/pkg/kv"
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

// TestAYoungEpochIsLeftWithoutEntries has a write under an epoch that nobody
// reads yet, and then one whose steps are lost: what the first one left must
// not be found once the epoch is read.
func TestAYoungEpochIsLeftWithoutEntries(t *testing.T) {
	t.Parallel()
	c := harness(t, testserver.RedisURL(t)).Cache.(*redis.Cache)
	key := cache.Key{Namespace: "space", Key: "k"}
	write := func(version kv.Version) {
		t.Helper()
		e := kv.Entry{Key: "k", Version: version, Value: []byte("v"), Size: 1}
		if err := c.Begin(t.Context(), []cache.Key{key}, cache.Mark(version), time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := c.Finish(t.Context(), []cache.Finished{{Key: key, Version: version, Entry: &e}}, cache.Mark(version)); err != nil {
			t.Fatal(err)
		}
	}
	c.SetYoung(true)
	write(1)
	c.SetYoung(false)
	if found, err := c.Read(t.Context(), key); err != nil || found.Found || found.Lease == 0 {
		t.Errorf("%+v, %v", found, err)
	}
	write(2)
	if found, err := c.Read(t.Context(), key); err != nil || !found.Found || found.Entry.Version != 2 {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestAnEpochThatIsNotKnownIsAskedFor has a write begin while the process does
// not know the epoch: it makes its step, or says that none could be made.
func TestAnEpochThatIsNotKnownIsAskedFor(t *testing.T) {
	t.Parallel()
	c := harness(t, testserver.RedisURL(t)).Cache.(*redis.Cache)
	key := cache.Key{Namespace: "space", Key: "k"}
	away := errors.New("the database is away")
	c.SetUnknown(away)
	if err := c.Begin(t.Context(), []cache.Key{key}, 1, time.Minute); !errors.Is(err, cache.ErrUnknown) || !errors.Is(err, away) {
		t.Errorf("begin: %v", err)
	}
	if err := c.Finish(t.Context(), []cache.Finished{{Key: key, Version: 1}}, 1); !errors.Is(err, cache.ErrUnknown) {
		t.Errorf("finish: %v", err)
	}
	c.SetUnknown(nil)
	if err := c.Begin(t.Context(), []cache.Key{key}, 2, time.Minute); err != nil {
		t.Errorf("begin: %v", err)
	}
	if found, err := c.Read(t.Context(), key); err != nil || found.Found || found.Lease != 0 {
		t.Errorf("a key that is being written: %+v, %v", found, err)
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
