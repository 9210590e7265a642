package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
)

// applier subscribes to the broker and applies its writes. Writes of one key
// are applied one after another, different keys at once, so that the store
// commits them together. A redelivered write is answered by the store from its
// record, which makes it exactly once.
type applier struct {
	opts    Options
	metrics *metrics
	*condition

	mu           sync.Mutex
	subscription broker.Subscription
	stopped      bool
}

// Start subscribes. It does nothing when it has, or was stopped before.
func (a *applier) Start(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subscription != nil || a.stopped {
		return nil
	}
	s, err := a.opts.Broker.Subscribe(a.handle)
	if err != nil {
		return err
	}
	a.subscription = s
	return nil
}

// Stop lets the batch under way end.
func (a *applier) Stop(ctx context.Context) error {
	a.mu.Lock()
	a.stopped = true
	s := a.subscription
	a.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Stop(ctx)
}

// handle is the broker's handler.
func (a *applier) handle(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
	verdicts := make([]broker.Verdict, len(batch))
	b := &batchRun{applier: a, batch: batch, verdicts: verdicts}
	limit := make(chan struct{}, a.opts.Concurrency)
	var wg sync.WaitGroup
	for _, chain := range b.chains() {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			b.apply(ctx, chain)
		})
	}
	wg.Wait()
	if panicked := b.panicked; panicked != nil {
		panic(panicked) // in the broker's goroutine, which finds the message that causes it
	}
	a.report(ctx, b)
	return verdicts
}

// report notes how the batch ended.
func (a *applier) report(ctx context.Context, b *batchRun) {
	retried := 0
	for _, v := range b.verdicts {
		if _, dead := v.Dead(); !dead && !v.Acked() {
			retried++
		}
	}
	a.metrics.writes.WithLabelValues(outcomeRetried).Add(float64(retried))
	a.set(b.failure)
	if b.failure != nil && ctx.Err() == nil {
		a.opts.Logger.Error("asynchronous writes were not applied; they come again", "writes", retried, "error", b.failure)
	}
}

// batchRun is the work on one batch.
type batchRun struct {
	*applier
	batch    []broker.Delivery
	verdicts []broker.Verdict // each is written by the one goroutine that has its key

	mu       sync.Mutex
	failure  error // the first one for which a write has to come again
	outage   bool  // the store does not answer: what has not begun need not try
	panicked any
}

// chains gives the places of the messages of each key, in order.
func (b *batchRun) chains() [][]int {
	place := make(map[string]int, len(b.batch))
	var chains [][]int
	for i, d := range b.batch {
		n, ok := place[d.Key]
		if !ok {
			n = len(chains)
			place[d.Key] = n
			chains = append(chains, nil)
		}
		chains[n] = append(chains[n], i)
	}
	return chains
}

// apply works on the messages of one key until one has to come again: those
// behind it then do too, by the zero verdict.
func (b *batchRun) apply(ctx context.Context, chain []int) {
	defer func() {
		if r := recover(); r != nil {
			b.mu.Lock()
			b.panicked = fmt.Sprintf("apply an asynchronous write: %v", r)
			b.mu.Unlock()
		}
	}()
	for _, i := range chain {
		if b.givenUp() {
			return
		}
		verdict, err := b.applyOne(ctx, b.batch[i])
		b.verdicts[i] = verdict
		if err != nil {
			b.fail(err)
			return
		}
	}
}

// applyOne gives the verdict on one message. The error is set for one that has
// to come again.
func (b *batchRun) applyOne(ctx context.Context, d broker.Delivery) (broker.Verdict, error) {
	w, err := decode(d)
	if err != nil {
		b.metrics.writes.WithLabelValues(outcomeDead).Inc()
		return broker.DeadLetter(err.Error()), nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.opts.ApplyTimeout)
	defer cancel()
	start := time.Now()
	result, err := b.opts.Store.Apply(ctx, w.Namespace, w.Operation, w.Identity)
	b.metrics.seconds.Observe(time.Since(start).Seconds())
	switch kind := classify(err); {
	case kind == transient:
		return broker.Retry(), err
	case kind == unusable:
		b.metrics.writes.WithLabelValues(outcomeDead).Inc()
		return broker.DeadLetter(err.Error()), nil
	case result.Replayed:
		b.metrics.writes.WithLabelValues(outcomeReplayed).Inc()
		return broker.Ack(), nil
	case kind == refused:
		b.metrics.writes.WithLabelValues(outcomeRejected).Inc()
	default:
		b.metrics.writes.WithLabelValues(outcomeApplied).Inc()
	}
	b.metrics.delay.Observe(max(b.opts.Now().Sub(w.AcceptedAt), 0).Seconds())
	return broker.Ack(), nil
}

// decode gives the write that a message carries. Its errors hold for ever.
func decode(d broker.Delivery) (deferred.Write, error) {
	w, err := deferred.Decode(d.Body)
	if err != nil {
		return w, err
	}
	if err := kv.CheckNamespace(w.Namespace); err != nil {
		return w, err
	}
	if err := w.Operation.Check(); err != nil {
		return w, err
	}
	if !w.Operation.Kind.Writes() {
		return w, kv.Errorf(kv.CodeInvalidArgument, "a %v is no write", w.Operation.Kind)
	}
	if w.Identity.ID.IsZero() {
		// Nothing would tell its redelivery from another write.
		return w, kv.Errorf(kv.CodeInvalidArgument, "the write has no id")
	}
	return w, nil
}

func (b *batchRun) givenUp() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outage || b.panicked != nil
}

func (b *batchRun) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure == nil {
		b.failure = err
	}
	b.outage = b.outage || kv.CodeOf(err) != kv.CodeInternal
}
