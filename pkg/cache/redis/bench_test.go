//go:build unix

package redis_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/cache/epoch"
	"github.com/trivetkv/trivet/pkg/cache/redis"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/testserver"
)

// benchmarked is a cache that knows one entry of 100 bytes.
func benchmarked(b *testing.B) (*redis.Cache, cache.Key) {
	c, err := redis.NewAt(parse(b, testserver.RedisURL(b)), redis.Options{
		Epochs: epoch.NewLocal(nil), Logger: slog.New(slog.DiscardHandler), Timeout: patient,
	}, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	start(b, c)
	key := cache.Key{Namespace: space, Key: "k"}
	write(b, c, key, 1)
	return c, key
}

func write(b *testing.B, c *redis.Cache, key cache.Key, mark cache.Mark) {
	e := kv.Entry{Key: key.Key, Version: 1, Value: make([]byte, 100), Size: 100}
	if err := c.Begin(b.Context(), []cache.Key{key}, mark, time.Minute); err != nil {
		b.Fatal(err)
	}
	if err := c.Finish(b.Context(), []cache.Finished{{Key: key, Version: 1, Entry: &e}}, mark); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRead(b *testing.B) {
	c, key := benchmarked(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.SetParallelism(25) // callers for each processor
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if found, err := c.Read(ctx, key); err != nil || !found.Found {
				b.Errorf("read: %+v, %v", found, err)
				return
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	c, key := benchmarked(b)
	b.ReportAllocs()
	b.SetParallelism(25)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			write(b, c, key, 2)
		}
	})
}
