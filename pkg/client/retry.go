package client

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Retry says how often a call is sent when it could not be answered. Every
// write carries an idempotency key, so that a repetition is made once.
type Retry struct {
	Attempts int           // in all; 1 sends a call once; 0 means DefaultAttempts
	MinPause time.Duration // before the second attempt, doubled for each further one; 0 means 50 ms
	MaxPause time.Duration // 0 means 2 s; a longer Retry-After of the server ends the attempts
}

// DefaultAttempts is how often a call is sent unless told otherwise.
const DefaultAttempts = 5

func (r Retry) withDefaults() Retry {
	if r.Attempts == 0 {
		r.Attempts = DefaultAttempts
	}
	if r.MinPause == 0 {
		r.MinPause = 50 * time.Millisecond
	}
	if r.MaxPause == 0 {
		r.MaxPause = 2 * time.Second
	}
	return r
}

// pause gives how long to wait after a failed attempt, counted from 1, and
// false when there is to be no other. Half of it is drawn by chance, so that
// clients which failed together do not come back together.
func (r Retry) pause(attempt int, err error) (time.Duration, bool) {
	e := kv.AsError(err)
	if attempt >= r.Attempts || !passes(err) || e.RetryAfter > r.MaxPause {
		return 0, false
	}
	pause := min(r.MinPause<<min(attempt-1, 20), r.MaxPause)
	pause = pause/2 + rand.N(pause/2+1) //nolint:gosec // a pause is no secret
	return max(pause, e.RetryAfter), true
}

// passes tells the errors that a later attempt may not meet.
func passes(err error) bool {
	switch kv.CodeOf(err) {
	case kv.CodeUnavailable:
		return !isUntrusted(err)
	case kv.CodeOverloaded, kv.CodeRateLimited, kv.CodeTimeout, kv.CodeIdempotencyInProgress:
		return true
	default:
		return false
	}
}

// send sends a request, again where that may help, and gives an answer of
// status 2xx, whose body the caller closes. Any other answer is an error, with
// the header it came with.
func (c *Client) send(ctx context.Context, r request) (*http.Response, http.Header, error) {
	for attempt := 1; ; attempt++ {
		response, header, err := c.sendOnce(ctx, r)
		if err == nil || ctx.Err() != nil {
			return response, header, err
		}
		pause, again := c.retry.pause(attempt, err)
		if !again || !sleep(ctx, pause) {
			return nil, header, err
		}
	}
}

// sleep tells whether the pause was not cut short by the end of ctx.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
