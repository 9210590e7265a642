package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// config describes a run.
type config struct {
	victim victim
	rounds int
	seed   uint64
	load   time.Duration // of a round on average, before the kill
	logf   func(format string, args ...any)

	// applyWithin is how long accepted writes may take to be applied once
	// nothing else is going on.
	applyWithin time.Duration
}

// report is what a run did.
type report struct {
	rounds   int
	requests int // sent by workers
	open     int // of them without an answer
	changes  int // in the change log
	kills    int // early ones included
}

func (r report) String() string {
	return fmt.Sprintf("%d rounds, %d kills, %d requests (%d without an answer), %d changes", r.rounds, r.kills, r.requests, r.open, r.changes)
}

// defaultLoad keeps a round near a second.
const defaultLoad = 300 * time.Millisecond

// broken is the error of a run that found a broken promise.
type broken struct{ violations []violation }

func (b *broken) Error() string {
	const show = 20
	var text strings.Builder
	fmt.Fprintf(&text, "%d broken promises:", len(b.violations))
	for i, v := range b.violations {
		if i == show {
			fmt.Fprintf(&text, "\n  and %d more", len(b.violations)-show)
			break
		}
		text.WriteString("\n  " + v.String())
	}
	return text.String()
}

// kill9 kills the server config.rounds times and more, and leaves it dead. It
// returns at the first round that finds a broken promise, with a [*broken].
func kill9(ctx context.Context, cfg config) (report, error) {
	begin := time.Now()
	since := func() clock { return time.Since(begin) }
	r := &run{
		config:  cfg,
		rng:     rand.New(rand.NewPCG(cfg.seed, 0)), //nolint:gosec // chooses moments
		workers: newWorkers(cfg.seed, since),
		ledger:  newLedger(),
		since:   since,
	}
	r.verifier = &verifier{
		ledger: r.ledger,
		rng:    r.rng,
		fences: &worker{id: len(r.workers), since: since, rng: r.rng},

		applyWithin: cfg.applyWithin,
	}
	err := r.all(ctx)
	if killed := r.victim.kill(); err == nil {
		err = killed
	}
	r.report.changes = r.ledger.seen
	return r.report, err
}

type run struct {
	config
	rng      *rand.Rand
	workers  []*worker
	ledger   *ledger
	verifier *verifier
	since    func() clock
	report   report
	startup  time.Duration // of the last start
}

func (r *run) all(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	for r.report.rounds < r.rounds {
		if err := r.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", r.report.rounds+1, err)
		}
		r.report.rounds++
	}
	if err := r.conclude(ctx); err != nil {
		return fmt.Errorf("the full check: %w", err)
	}
	return nil
}

// round loads the running server, kills it, starts it again, and checks it.
func (r *run) round(ctx context.Context) error {
	begin := time.Now()
	var wg sync.WaitGroup
	for _, w := range r.workers {
		wg.Go(func() { w.run(ctx, r.verifier.client) })
	}
	pause(ctx, time.Duration(r.rng.Int64N(int64(2*r.load))))
	err := r.kill()
	wg.Wait()
	if err != nil {
		return err
	}
	made := r.collect()
	killed := time.Now()

	// A kill during recovery, or before the server has opened its data.
	early := 0
	for ; r.rng.IntN(2) == 0 && early < 3; early++ {
		if err := r.victim.launch(ctx); err != nil {
			return err
		}
		pause(ctx, time.Duration(r.rng.Int64N(int64(r.startup)*5/4+1)))
		if err := r.kill(); err != nil {
			return err
		}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	pending := map[*request]bool{}
	for _, w := range r.workers {
		if w.pending != nil {
			pending[w.pending] = true
		}
	}
	if err := r.verdict(r.verifier.round(ctx, made, func(req *request) bool { return pending[req] })); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	open := 0
	for _, req := range made {
		if !req.answered {
			open++
		}
	}
	r.report.requests += len(made)
	r.report.open += open
	r.logf("round %d: %d requests, %d without an answer, %d early kills, start in %v, %d changes in all, load %v, check %v",
		r.report.rounds+1, len(made), open, early, r.startup.Round(time.Millisecond), r.ledger.seen,
		killed.Sub(begin).Round(time.Millisecond), time.Since(killed).Round(time.Millisecond))
	return nil
}

// conclude gives every repeatable request its answer and reads everything.
func (r *run) conclude(ctx context.Context) error {
	for _, w := range r.workers {
		w.made = nil
		if req := w.pending; req != nil {
			w.made = append(w.made, req)
			if !w.send(ctx, r.verifier.client, req) && len(w.found) == 0 {
				return errors.New("a repeated request got no answer though the server was not killed")
			}
		}
	}
	if err := r.verdict(r.verifier.round(ctx, r.collect(), func(*request) bool { return false })); err != nil {
		return err
	}
	return r.verdict(r.verifier.all(ctx))
}

func (r *run) start(ctx context.Context) error {
	begin := time.Now()
	if err := r.victim.launch(ctx); err != nil {
		return err
	}
	url, err := r.victim.ready(ctx)
	if err != nil {
		return &broken{[]violation{{fault: ended, detail: err.Error()}}}
	}
	r.startup = time.Since(begin)
	r.verifier.client = newClient(url)
	return nil
}

func (r *run) kill() error {
	r.report.kills++
	if err := r.victim.kill(); err != nil {
		return &broken{[]violation{{fault: ended, detail: err.Error()}}}
	}
	if c := r.verifier.client; c != nil {
		c.close()
	}
	return nil
}

// collect takes the requests of all workers. Those without an answer cannot
// take effect any more, but for what waits in a queue.
func (r *run) collect() []*request {
	now := r.since()
	var made []*request
	for _, w := range r.workers {
		for _, req := range w.made {
			if !req.answered && !req.async {
				req.end = now
			}
		}
		made = append(made, w.made...)
		r.ledger.found = append(r.ledger.found, w.found...)
	}
	return made
}

// verdict is a broken promise, if there is one, or the error that kept the
// check from looking for more.
func (r *run) verdict(err error) error {
	if len(r.ledger.found) > 0 {
		return &broken{r.ledger.found}
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
