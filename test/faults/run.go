//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/test/installation"
)

// config describes a run.
type config struct {
	bin      string
	duration time.Duration // of the faults; each part's turn comes at least once
	away     time.Duration // for how long a part is away, on average
	seed     uint64
	logf     func(format string, args ...any)
}

// Bounds on what the shared cache may answer after it was away.
const (
	cacheBound = 3 * time.Second            // TRIVET_CACHE_BOUND
	clockSlack = 200 * time.Millisecond     // between an answer and its being noted here
	cacheAfter = cacheBound + 7*time.Second // until the cache's own promise holds again
)

// settleWithin is how long everything may take to be applied and seen in the
// end.
const settleWithin = 60 * time.Second

// report is what a run did.
type report struct {
	faults     int
	load       *load
	watched    []int64
	recoveries []recovery
}

// run starts an installation, lets faults happen to it under load, and holds
// what it answered against what it keeps. A broken promise is the error.
func run(ctx context.Context, cfg config) (*report, error) {
	i, err := installation.Start(ctx, installation.Options{Bin: cfg.bin, APIs: 2, Consumers: 2})
	if err != nil {
		return nil, err
	}
	r := &runner{config: cfg, installation: i, rng: rand.New(rand.NewPCG(cfg.seed, 0))} //nolint:gosec // chooses faults
	err = r.run(ctx)
	if err != nil {
		for _, p := range slices.Concat(i.APIs, i.Consumers) {
			cfg.logf("%s's log ends with:\n%s", p.Name, p.LogTail(0))
		}
	}
	return &r.report, errors.Join(err, i.Close())
}

type runner struct {
	config
	installation *installation.Installation
	rng          *rand.Rand
	report       report

	mu        sync.Mutex
	cacheAway []window
}

// window is a time in which the cache was away; the zero end is one that lasts.
type window struct{ begin, end time.Time }

func (r *runner) run(ctx context.Context) error {
	l := &load{ledger: newLedger(), timeout: attemptTimeout, allowance: r.allowance}
	r.report.load = l
	var watchers []*watcher
	for n, p := range r.installation.APIs {
		e, err := newEndpoint(fmt.Sprint("api ", n+1), p.URL)
		if err != nil {
			return err
		}
		l.endpoints = append(l.endpoints, e)
		c, err := client.New(client.Options{URL: p.URL, Retry: client.Retry{MaxPause: 250 * time.Millisecond}})
		if err != nil {
			return err
		}
		watchers = append(watchers, newWatcher(e.name, c, l.ledger))
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watching, reading, writing sync.WaitGroup
	defer watching.Wait()
	defer reading.Wait()
	defer cancel()
	for _, w := range watchers {
		watching.Go(func() { w.run(ctx) })
	}
	for range readers {
		reading.Go(func() { l.reader(ctx) })
	}
	stop, stopWriting := context.WithCancel(ctx)
	for n := range writers {
		writing.Go(func() { l.writer(ctx, stop, n) })
	}
	err := r.strikeAll(ctx, l)
	stopWriting()
	writing.Wait()
	if err == nil {
		err = settle(ctx, l, watchers)
	}
	for _, w := range watchers {
		r.report.watched = append(r.report.watched, w.events.Load())
	}
	if broken := l.ledger.broken(); len(broken) > 0 {
		err = errors.Join(fmt.Errorf("broken promises:\n  %s", strings.Join(broken, "\n  ")), err)
	}
	return err
}

// strikeAll lets faults happen, each part's turn in a random order, again and
// again until the time is up.
func (r *runner) strikeAll(ctx context.Context, l *load) error {
	if _, err := l.recover(ctx, "start"); err != nil {
		return err
	}
	deadline := time.Now().Add(r.duration)
	all := parts(r.installation)
	for round := 0; round == 0 || time.Now().Before(deadline); round++ {
		for _, n := range r.rng.Perm(2 * len(all)) {
			if ctx.Err() != nil || round > 0 && time.Now().After(deadline) {
				return ctx.Err()
			}
			if err := r.strike(ctx, l, all[n/2], []kind{killed, paused}[n%2]); err != nil {
				return err
			}
			if len(l.ledger.broken()) > 0 {
				return nil // there is enough to look at
			}
		}
	}
	return nil
}

func (r *runner) strike(ctx context.Context, l *load, p part, k kind) error {
	fault := fmt.Sprintf("%s %s", p.name, k)
	away := r.away/2 + time.Duration(r.rng.Int64N(int64(r.away)))
	parted := p.partsFromCache(k)
	if parted {
		r.cacheLeaves()
	}
	before := l.progress()
	err := p.strike(ctx, k, away)
	if parted {
		r.cacheReturns()
	}
	if err != nil {
		return err
	}
	during := l.progress().since(before)
	recoveries, err := l.recover(ctx, fault)
	if err != nil {
		return err
	}
	slowest := time.Duration(0)
	for _, one := range recoveries {
		slowest = max(slowest, one.took)
	}
	r.report.faults++
	r.report.recoveries = append(r.report.recoveries, recoveries...)
	r.logf("%-20s away %v: meanwhile %s; all works %v after its return", fault, away.Round(time.Millisecond), during, slowest.Round(time.Millisecond))
	for _, spared := range []struct {
		is   bool
		what string
		n    int64
	}{{p.sparedWrites, "write", during.writes}, {p.sparedAsync, "asynchronous write", during.accepted}, {p.sparedReads, "read", during.reads}} {
		// Callers may all have asked the part itself before they ask another one.
		if spared.is && spared.n == 0 && away > 2*attemptTimeout {
			l.ledger.violate("%s: not one %s was answered meanwhile", fault, spared.what)
		}
	}
	pause(ctx, time.Second)
	return nil
}

// progress is how much was answered.
type progress struct{ writes, accepted, reads int64 }

func (l *load) progress() progress {
	t := &l.tally
	return progress{t.puts.Load() + t.increments.Load(), t.accepted.Load(), t.strong.Load() + t.shared.Load()}
}

func (p progress) since(before progress) progress {
	return progress{p.writes - before.writes, p.accepted - before.accepted, p.reads - before.reads}
}

func (p progress) String() string {
	return fmt.Sprintf("%d writes, %d asynchronous ones and %d reads were answered", p.writes, p.accepted, p.reads)
}

func (r *runner) cacheLeaves() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cacheAway = append(r.cacheAway, window{begin: time.Now()})
}

func (r *runner) cacheReturns() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cacheAway[len(r.cacheAway)-1].end = time.Now()
}

// allowance is how old an answer of the shared cache may be: nothing, unless a
// process and the cache were parted lately.
func (r *runner) allowance(began time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.cacheAway); n > 0 {
		last := r.cacheAway[n-1]
		if last.end.IsZero() || began.Before(last.end.Add(cacheAfter)) {
			return cacheBound + clockSlack
		}
	}
	return 0
}

// settle waits until all that was promised is stored and seen, and checks it.
func settle(ctx context.Context, l *load, watchers []*watcher) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	total := int64(l.ledger.total())
	for _, w := range watchers {
		for w.events.Load() < total {
			if !pause(ctx, 10*time.Millisecond) {
				l.ledger.violate("%s: %d changes were seen, and %d promised", w.name, w.events.Load(), total)
				break
			}
		}
	}
	entries := make(map[string]kv.Entry)
	c := l.endpoint().sync
	for cursor := ""; ; {
		page, err := c.List(context.WithoutCancel(ctx), namespace, kv.ListQuery{Values: true, Limit: 1000, Cursor: cursor})
		if err != nil {
			return fmt.Errorf("read everything: %w", err)
		}
		for _, e := range page.Entries {
			entries[e.Key] = e
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	l.ledger.check(entries)
	return nil
}

func (r *report) String() string {
	t := &r.load.tally
	var text strings.Builder
	fmt.Fprintf(&text, "%d faults; acknowledged %d puts, %d asynchronous puts and %d increments, after %d repetitions\n",
		r.faults, t.puts.Load(), t.accepted.Load(), t.increments.Load(), t.retries.Load())
	fmt.Fprintf(&text, "read %d times from the database and %d times as fresh as the cache, at most %v old; %d reads failed\n",
		t.strong.Load(), t.shared.Load(), time.Duration(t.stalest.Load()).Round(time.Millisecond), t.failedReads.Load())
	fmt.Fprintf(&text, "watched %d changes, each as many as were made\n", r.watched)
	var took []time.Duration
	for _, one := range r.recoveries {
		took = append(took, one.took)
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		fmt.Fprintf(&text, "after the return of what was away, a request worked again after %v (p50), %v (p99), %v (at most)",
			took[n/2].Round(time.Millisecond), took[n*99/100].Round(time.Millisecond), took[n-1].Round(time.Millisecond))
	}
	return text.String()
}
