//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	namespace = "faults"
	writers   = 8
	readers   = 8
	keysEach  = 3 // of each writer and kind
	counters  = 4

	// attemptTimeout is how long a caller waits for an answer before it asks
	// again, another api maybe, under the same write id.
	attemptTimeout = 500 * time.Millisecond
)

// failure is an attempt that was not answered, or not with what was asked for.
type failure struct {
	endpoint string
	err      error
}

// endpoint is an api, as a caller of it sees it.
type endpoint struct {
	name  string
	sync  *client.Client
	async *client.Client // prefers that writes are applied later
}

func newEndpoint(name, url string) (*endpoint, error) {
	once := client.Retry{Attempts: 1}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	direct, err := client.New(client.Options{URL: url, Retry: once, Transport: transport})
	if err != nil {
		return nil, err
	}
	later, err := client.New(client.Options{URL: url, Retry: once, Transport: preferAsync{transport}})
	return &endpoint{name, direct, later}, err
}

type preferAsync struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p preferAsync) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Prefer", "respond-async")
	return p.RoundTripper.RoundTrip(r)
}

// tally counts what callers have met.
type tally struct {
	puts, accepted, increments atomic.Int64
	strong, shared             atomic.Int64
	retries, failedReads       atomic.Int64
	stalest                    atomic.Int64 // nanoseconds, of shared reads
}

// load is callers that write and read.
type load struct {
	ledger    *ledger
	endpoints []*endpoint
	tally     tally
	timeout   time.Duration // of an attempt
	failed    func(failure) // nil: it is not told

	// allowance is how much older than the last acknowledged write a shared
	// read may be that began at a time.
	allowance func(began time.Time) time.Duration
}

func (l *load) endpoint() *endpoint {
	return l.endpoints[rand.IntN(len(l.endpoints))] //nolint:gosec // a choice
}

// write repeats a write under one id until it is answered, or ctx ends.
func (l *load) write(ctx context.Context, op kv.Operation, async bool) bool {
	id := kv.Identity{ID: kv.NewWriteID(time.Now())}
	for {
		e := l.endpoint()
		c := e.sync
		if async {
			c = e.async
		}
		attempt, cancel := context.WithTimeout(ctx, l.timeout)
		_, err := c.Apply(attempt, namespace, op, id)
		cancel()
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case !passing(err):
			l.ledger.violate("%s answered a write of %s with %v", e.name, op.Key, err)
			return false
		}
		l.tally.retries.Add(1)
		l.tell(e, err)
		pause(ctx, 20*time.Millisecond)
	}
}

func (l *load) tell(e *endpoint, err error) {
	if l.failed != nil {
		l.failed(failure{e.name, err})
	}
}

// passing tells an error that a repetition may not meet.
func passing(err error) bool {
	switch kv.CodeOf(err) {
	case kv.CodeUnavailable, kv.CodeOverloaded, kv.CodeTimeout, kv.CodeIdempotencyInProgress:
		return true
	}
	return false
}

// writer writes its own keys, one put after another, and counters that all
// share; every other writer asks for its puts to be applied later. It stops
// between two writes once stop ends; ctx cuts it off.
func (l *load) writer(ctx, stop context.Context, n int) {
	async, keys := n%2 == 1, putKeys
	if async {
		keys = asyncKeys
	}
	for stop.Err() == nil {
		if !async && rand.IntN(4) == 0 { //nolint:gosec // a choice
			l.increment(ctx)
		} else {
			l.put(ctx, fmt.Sprintf("%s%d/%d", keys, n, rand.IntN(keysEach)), async) //nolint:gosec // a choice
		}
		pause(stop, time.Duration(rand.IntN(10))*time.Millisecond) //nolint:gosec // a choice
	}
}

func (l *load) put(ctx context.Context, key string, async bool) {
	op := kv.Operation{Kind: kv.KindPut, Key: key, Value: value(l.ledger.begin(key))}
	if !l.write(ctx, op, async) {
		l.ledger.violate("a put of %s got no answer", key)
		return
	}
	l.ledger.ack(key, time.Now())
	if async {
		l.tally.accepted.Add(1)
	} else {
		l.tally.puts.Add(1)
	}
}

func (l *load) increment(ctx context.Context) {
	key := fmt.Sprintf("%s%d", counterKeys, rand.IntN(counters)) //nolint:gosec // a choice
	by := int64(1 + rand.IntN(100))                              //nolint:gosec // a choice
	if !l.write(ctx, kv.Operation{Kind: kv.KindIncrement, Key: key, By: by}, false) {
		l.ledger.violate("an increment of %s got no answer", key)
		return
	}
	l.ledger.count(key, by)
	l.tally.increments.Add(1)
}

// reader reads what writers put, by turns from the database and as fresh as the
// shared cache is.
func (l *load) reader(ctx context.Context) {
	for ctx.Err() == nil {
		l.read(ctx, fmt.Sprintf("%s%d/%d", putKeys, 2*rand.IntN(writers/2), rand.IntN(keysEach)), rand.IntN(4) == 0) //nolint:gosec // choices
		pause(ctx, time.Duration(rand.IntN(5))*time.Millisecond)                                                     //nolint:gosec // a choice
	}
}

func (l *load) read(ctx context.Context, key string, strong bool) {
	e := l.endpoint()
	opts := kv.ReadOptions{Consistency: kv.Shared}
	if strong {
		opts.Consistency = kv.Strong
	}
	attempt, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	began := time.Now()
	entry, err := e.sync.Get(attempt, namespace, key, opts)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		if ctx.Err() == nil && !passing(err) {
			l.ledger.violate("%s answered a read of %s with %v", e.name, key, err)
		}
		l.tally.failedReads.Add(1)
		l.tell(e, err)
		return
	}
	number, err := numberOf(entry.Value)
	if err != nil {
		l.ledger.violate("%s: %s: %v", e.name, key, err)
		return
	}
	if most := l.ledger.begun(key); number > most {
		l.ledger.violate("%s: %s is at put %d, and only %d were sent", e.name, key, number, most)
	}
	if strong {
		l.tally.strong.Add(1)
		if floor := l.ledger.floor(key, began); number < floor {
			l.ledger.violate("%s: a strong read of %s gave put %d after put %d was acknowledged", e.name, key, number, floor)
		}
		return
	}
	l.tally.shared.Add(1)
	stale := l.ledger.staleness(key, number, began)
	for before := l.tally.stalest.Load(); int64(stale) > before && !l.tally.stalest.CompareAndSwap(before, int64(stale)); before = l.tally.stalest.Load() {
	}
	allowed := l.allowance(began)
	if floor := l.ledger.floor(key, began.Add(-allowed)); number < floor {
		l.ledger.violate("%s: a read of %s gave put %d, %v older than what was acknowledged; %v is allowed", e.name, key, number, stale.Round(time.Millisecond), allowed)
	}
}

// pause tells false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
