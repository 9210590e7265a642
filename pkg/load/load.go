// Package load sends HTTP/1.1 requests to one server and measures its answers.
//
// A closed loop keeps a number of connections busy: each sends its next
// request once the one before was answered, which finds the largest
// throughput. An open loop sends at a rate that was fixed beforehand, whatever
// the server does: latency counts from the moment at which a request was due,
// so that a server which stalls is charged for all the requests it kept
// waiting, not only for those that were under way.
//
// The generator shares a machine with what it measures, so it does little: a
// goroutine and a raw connection each, one write and one parse for each
// request, no allocation.
package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

// Mix fills in the next request. It is called concurrently, with a Request
// that was reset and a random generator of the connection's own.
type Mix func(r *Request, rng *rand.Rand)

// DefaultTimeout is how long an answer may take unless Options say otherwise.
const DefaultTimeout = 10 * time.Second

// Options describe one run.
type Options struct {
	URL         string // http://host:port or https://host:port, without a path
	Connections int    // kept alive; also the largest number of requests under way
	Mix         Mix

	// Rate makes the loop an open one: requests a second, over all
	// connections. 0 is a closed loop.
	Rate float64

	// Duration and Count end the run, whichever comes first; an open loop
	// needs Duration. Requests under way are waited for, at most for Timeout.
	Duration time.Duration
	Count    int64

	Timeout time.Duration // of one request, from sending it to the last byte of its answer; 0: DefaultTimeout
	Seed    uint64        // of the connections' random generators
	TLS     *tls.Config   // for https
}

// retryPause is the wait after a connection could not be made, so that a
// closed loop against a dead server does not spin.
const retryPause = 20 * time.Millisecond

func (o Options) check() (*url.URL, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("load: the URL: %w", err)
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("load: the URL has to be http://host:port or https://host:port, not %q", o.URL)
	case o.Connections < 1:
		return nil, errors.New("load: there has to be a connection")
	case o.Mix == nil:
		return nil, errors.New("load: there is no mix")
	case o.Duration <= 0 && o.Count <= 0:
		return nil, errors.New("load: the run needs a duration or a count")
	case o.Rate < 0 || o.Rate > 0 && o.Duration <= 0:
		return nil, errors.New("load: an open loop needs a rate above 0 and a duration")
	}
	return u, nil
}

// Run sends the load and returns what came of it. All connections are made
// before the clock starts; when none can be, that is the error. When ctx ends,
// the error is ctx's, and the result holds what was measured until then.
func Run(ctx context.Context, o Options) (Result, error) {
	u, err := o.check()
	if err != nil {
		return Result{}, err
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	rec := newRecorder()
	workers := make([]*worker, o.Connections)
	for i := range workers {
		w := &worker{
			conn: conn{url: u, tls: o.TLS, timeout: o.Timeout},
			mix:  o.Mix,
			rng:  rand.New(rand.NewPCG(o.Seed, uint64(i))), //nolint:gosec // load, not secrets
			out:  rec.shard(i),
		}
		if o.Rate > 0 {
			if w.pace, err = newPacer(); err != nil {
				return Result{}, err
			}
			defer w.pace.close()
		}
		defer w.conn.close()
		workers[i] = w
	}
	if err := connect(ctx, workers); err != nil {
		return Result{}, err
	}

	start := time.Now()
	plan := newPlan(o, start)
	var wg sync.WaitGroup
	for _, w := range workers {
		// A context that ends must reach a worker that waits for its turn, for
		// an answer, or for a connection.
		stop := context.AfterFunc(ctx, w.interrupt)
		defer stop()
		wg.Go(func() { w.run(ctx, plan) })
	}
	wg.Wait()
	return rec.result(time.Since(start)), ctx.Err()
}

// connect dials all connections at once and fails when none could be made.
func connect(ctx context.Context, workers []*worker) error {
	errs := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() { errs[i] = w.conn.dial(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("load: connect to %s: %w", workers[0].conn.url.Host, errs[0])
}
