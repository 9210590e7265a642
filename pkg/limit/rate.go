// Package limit keeps one caller from taking what all need: rates, requests in
// flight, and connections. Every refusal is cheap, since it has to be given
// most often when there is least time.
package limit

import (
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// maxBuckets bounds the memory of a [Rate], at about 200 bytes each. The
// bucket that was asked longest ago makes room; it would be full by then.
const maxBuckets = 16_384

// Rate limits events by key: each may have a number per second for long, and
// twice that at once.
type Rate struct {
	perSecond rate.Limit
	burst     int
	buckets   *otter.Cache[string, *rate.Limiter]
}

// NewRate makes a limit; nil, which allows everything, when perSecond is 0.
func NewRate(perSecond int) *Rate {
	if perSecond == 0 {
		return nil
	}
	return &Rate{
		perSecond: rate.Limit(perSecond),
		burst:     2 * perSecond,
		buckets:   otter.Must(&otter.Options[string, *rate.Limiter]{MaximumSize: maxBuckets}),
	}
}

// Allow takes one event from a key's bucket. When it is empty, it tells after
// how long there will be one.
func (r *Rate) Allow(key string, now time.Time) (retryAfter time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	bucket := r.bucket(key)
	if bucket.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - bucket.TokensAt(now)
	return max(time.Duration(missing/float64(r.perSecond)*float64(time.Second)), time.Millisecond), false
}

// Owe takes n more events for a request that was allowed, whether they are there
// or not. Until the bucket has made up for them, nothing is allowed: a request
// of many events passes, and costs as much as many requests.
func (r *Rate) Owe(key string, n int, now time.Time) {
	if r == nil {
		return
	}
	bucket := r.bucket(key)
	for ; n > 0; n -= r.burst {
		bucket.ReserveN(now, min(n, r.burst))
	}
}

func (r *Rate) bucket(key string) *rate.Limiter {
	bucket, found := r.buckets.GetIfPresent(key)
	if !found {
		bucket, _ = r.buckets.SetIfAbsent(key, rate.NewLimiter(r.perSecond, r.burst))
	}
	return bucket
}
