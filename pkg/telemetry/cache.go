package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/trivetkv/trivet/pkg/cache"
	"github.com/trivetkv/trivet/pkg/kv"
)

// instrumentedCache counts and times the steps of the cache protocol.
type instrumentedCache struct {
	cache.Cache

	begin, finish, read, fill call
	hit, lease, busy          prometheus.Counter
}

// InstrumentCache puts metrics in front of a cache.
func InstrumentCache(c cache.Cache, registerer prometheus.Registerer) cache.Cache {
	steps := newCalls(registerer, MetricCacheCalls, MetricCacheSeconds, "cache")
	reads := promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{
		Name: MetricCacheReads,
		Help: "Reads of the cache by what they found: hit, lease (absent, and the reader may fill it) or busy (absent, and a writer or another reader is at it).",
	}, []string{"found"})
	return &instrumentedCache{
		Cache:  c,
		begin:  steps.method("begin"),
		finish: steps.method("finish"),
		read:   steps.method("read"),
		fill:   steps.method("fill"),
		hit:    reads.WithLabelValues("hit"),
		lease:  reads.WithLabelValues("lease"),
		busy:   reads.WithLabelValues("busy"),
	}
}

func (c *instrumentedCache) Begin(ctx context.Context, keys []cache.Key, mark cache.Mark, ttl time.Duration) error {
	start := time.Now()
	err := c.Cache.Begin(ctx, keys, mark, ttl)
	c.begin.done(start, err)
	return err
}

func (c *instrumentedCache) Finish(ctx context.Context, writes []cache.Finished, mark cache.Mark) error {
	start := time.Now()
	err := c.Cache.Finish(ctx, writes, mark)
	c.finish.done(start, err)
	return err
}

func (c *instrumentedCache) Read(ctx context.Context, key cache.Key) (cache.Lookup, error) {
	start := time.Now()
	found, err := c.Cache.Read(ctx, key)
	c.read.done(start, err)
	switch {
	case err != nil:
	case found.Found:
		c.hit.Inc()
	case found.Lease != 0:
		c.lease.Inc()
	default:
		c.busy.Inc()
	}
	return found, err
}

func (c *instrumentedCache) Fill(ctx context.Context, key cache.Key, lease cache.Lease, entry kv.Entry, absent bool) (bool, error) {
	start := time.Now()
	stored, err := c.Cache.Fill(ctx, key, lease, entry, absent)
	c.fill.done(start, err)
	return stored, err
}
