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

// Allow takes n events from a key's bucket. Where they are not there, it takes
// none and tells after how long they will be. More events than the burst pass
// when the bucket is full, and are owed.
func (r *Rate) Allow(key string, n int, now time.Time) (retryAfter time.Duration, ok bool) {
	if r == nil {
		return 0, true
	}
	bucket, found := r.buckets.GetIfPresent(key)
	if !found {
		bucket, _ = r.buckets.SetIfAbsent(key, rate.NewLimiter(r.perSecond, r.burst))
	}
	first := min(n, r.burst) // or a request that is larger than the burst could never pass
	if bucket.AllowN(now, first) {
		for rest := n - first; rest > 0; rest -= r.burst { // what it had too much is owed
			bucket.ReserveN(now, min(rest, r.burst))
		}
		return 0, true
	}
	missing := float64(first) - bucket.TokensAt(now)
	return max(time.Duration(missing/float64(r.perSecond)*float64(time.Second)), time.Millisecond), false
}
