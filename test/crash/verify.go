package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// clock is time since the start of the run.
type clock = time.Duration

// forever is the end of what has no known end.
const forever = clock(math.MaxInt64)

// verifier holds a running server against the ledger.
type verifier struct {
	*ledger
	client      *client
	fences      *worker
	rng         *rand.Rand
	applyWithin time.Duration

	mu      sync.Mutex // of ledger.found while checks run side by side
	held    []*request // fences whose change has not been read
	replays []*request // some that can be repeated at any time
}

// parallel runs a check for each item, a few at a time, and stops at the first
// error.
func parallel[T any](items []T, check func(T) error) error {
	const width = 16
	var wg sync.WaitGroup
	work := make(chan T)
	errs := make([]error, width)
	for i := range width {
		wg.Go(func() {
			for item := range work {
				if errs[i] == nil {
					errs[i] = check(item)
				}
			}
		})
	}
	for _, item := range items {
		work <- item
	}
	close(work)
	wg.Wait()
	return errors.Join(errs...)
}

func (v *verifier) report(f fault, at place, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.violate(f, at, format, args...)
}

// round checks everything that a round's requests may have changed. retried
// tells the requests that workers are going to repeat.
func (v *verifier) round(ctx context.Context, made []*request, retried func(*request) bool) error {
	if err := v.await(ctx, made); err != nil {
		return err
	}
	changes, fences, err := v.catchUp(ctx)
	if err != nil {
		return err
	}
	v.expect(append(slices.Clone(made), fences...))
	v.read(changes)
	v.settle(retried)

	touched := map[place]bool{}
	for _, r := range made {
		for _, w := range r.writes {
			touched[place{r.ns, w.key}] = true
		}
	}
	var keys []place
	for at := range touched {
		keys = append(keys, at)
	}
	if err := parallel(keys, func(at place) error { return v.state(ctx, at) }); err != nil {
		return err
	}
	if err := parallel(keys[:min(len(keys), 8)], func(at place) error { return v.history(ctx, at) }); err != nil {
		return err
	}
	return v.replay(ctx, made)
}

// await waits until every accepted write was applied, and notes its version.
func (v *verifier) await(ctx context.Context, made []*request) error {
	ctx, cancel := context.WithTimeout(ctx, v.applyWithin)
	defer cancel()
	var waiting []*request
	for _, r := range made {
		if r.async && r.answered && r.writes[0].outcome == accepted {
			waiting = append(waiting, r)
		}
	}
	return parallel(waiting, func(r *request) error {
		at := place{r.ns, r.writes[0].key}
		for {
			state, err := v.client.operation(ctx, r.operation)
			wrong := (*unexpected)(nil)
			switch {
			case errors.As(err, &wrong):
				v.report(lost, at, "accepted as %s: %s", r.operation, wrong)
			case errors.Is(ctx.Err(), context.DeadlineExceeded):
				v.report(lost, at, "accepted as %s and not applied within %v", r.operation, v.applyWithin)
			case err != nil:
				return err
			case state.State == kv.RecordPending:
				time.Sleep(time.Millisecond)
				continue
			default:
				v.conclude(r, state)
			}
			return nil
		}
	})
}

func (v *verifier) conclude(r *request, state wire.OperationState) {
	w := r.writes[0]
	switch {
	case state.State != kv.RecordApplied:
		v.report(lost, place{r.ns, w.key}, "accepted as %s, which is %s", r.operation, state.State)
	case state.Version <= 0:
		v.report(answers, place{r.ns, w.key}, "applied as %s without a version", r.operation)
	default:
		w.outcome, w.version, w.created = applied, state.Version, state.Status == http.StatusCreated
	}
}

// catchUp reads the change logs of all namespaces up to now, and gives the
// fences whose change is among them.
func (v *verifier) catchUp(ctx context.Context) (changes []change, fences []*request, err error) {
	changes, fresh, err := v.logs(ctx, v.position)
	if err != nil {
		return nil, nil, err
	}
	fences, v.held = append(v.held, fresh...), nil
	fences = slices.DeleteFunc(fences, func(r *request) bool {
		read := slices.ContainsFunc(changes, func(ch change) bool {
			return ch.ns == r.ns && ch.Key == fenceKey && ch.Version == r.writes[0].version
		})
		if !read {
			v.held = append(v.held, r)
		}
		return !read
	})
	return changes, fences, nil
}

// fenceKey is the key that the verifier itself writes.
const fenceKey = "fence"

// logs reads the change logs of all namespaces behind a position: up to a
// fence, which it writes in each. What lies behind the first of the fences may
// not be complete in every namespace, and is left for the next time.
func (v *verifier) logs(ctx context.Context, after kv.Position) (changes []change, fences []*request, err error) {
	for _, ns := range namespaces {
		v.fences.ns = ns
		fence := v.fences.request(single, 0, v.fences.put(fenceKey))
		fence.start = v.fences.since()
		if err := v.client.send(ctx, fence); err != nil {
			return nil, nil, fmt.Errorf("write a fence: %w", err)
		}
		fence.end = v.fences.since()
		fences = append(fences, fence)
	}
	end := kv.Position(math.MaxInt64)
	for _, fence := range fences {
		log, err := v.logTo(ctx, after, fence)
		if err != nil {
			return nil, nil, err
		}
		changes = append(changes, log...)
		end = min(end, log[len(log)-1].Position)
	}
	return slices.DeleteFunc(changes, func(ch change) bool { return ch.Position > end }), fences, nil
}

// logTo reads one namespace's change log up to a fence.
func (v *verifier) logTo(ctx context.Context, after kv.Position, fence *request) ([]change, error) {
	ctx, cancel := context.WithTimeout(ctx, v.applyWithin)
	defer cancel()
	log, err := v.client.changes(ctx, fence.ns, after, fenceKey, fence.writes[0].version)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		v.report(lost, place{fence.ns, fenceKey}, "answered as %s and not in the change log within %v", fence.answer, v.applyWithin)
	}
	return log, err
}

// state reads a key and holds it against its last change.
func (v *verifier) state(ctx context.Context, at place) error {
	value, got, err := v.client.get(ctx, at.ns, at.key, len(at.key)%2 == 0)
	if err != nil {
		return err
	}
	k := v.keys[at]
	if k.current() != got || k.live && !bytes.Equal(k.value, value) {
		if !v.queued(at) {
			v.report(stale, at, "a read gives version %d (%.40q); the change log ends with %d (%.40q)", got, value, k.current(), k.value)
		}
	}
	return nil
}

// history holds a key's versions against its changes.
func (v *verifier) history(ctx context.Context, at place) error {
	got, err := v.client.history(ctx, at.ns, at.key)
	if err != nil || v.queued(at) {
		return err
	}
	want := v.keys[at].versions
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		w := want[len(want)-1-i]
		same = got[i].Version == w.number && got[i].Op == w.kind
	}
	if !same {
		v.report(rewritten, at, "the history has %d versions, the change log %d, or they differ", len(got), len(want))
	}
	return nil
}

// replay repeats some requests of this round and of earlier ones: each has to
// answer what it answered, and the next round shows whether it changed
// anything.
func (v *verifier) replay(ctx context.Context, made []*request) error {
	const sample, keep = 20, 1000
	var repeatable []*request
	for _, r := range made {
		if r.repeatable() {
			repeatable = append(repeatable, r)
		}
	}
	v.rng.Shuffle(len(repeatable), func(i, j int) { repeatable[i], repeatable[j] = repeatable[j], repeatable[i] })
	repeatable = repeatable[:min(len(repeatable), sample)]
	v.replays = append(v.replays, repeatable...)
	if n := len(v.replays); n > keep {
		v.replays = v.replays[n-keep:]
	}
	for range min(sample/4, len(v.replays)) {
		repeatable = append(repeatable, v.replays[v.rng.IntN(len(v.replays))])
	}
	for _, r := range repeatable {
		// A replay reads into a copy: the ledger keeps what was promised first.
		again := *r
		again.writes = make([]*write, len(r.writes))
		for i, w := range r.writes {
			twin := *w
			twin.request = &again
			again.writes[i] = &twin
		}
		err := v.client.send(ctx, &again)
		if wrong := (*unexpected)(nil); errors.As(err, &wrong) {
			v.report(answers, place{r.ns, r.writes[0].key}, "%s", wrong)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// all reads everything again: the change log from its beginning, every key by
// lists, and the history of many.
func (v *verifier) all(ctx context.Context) error {
	if err := v.reread(ctx); err != nil {
		return err
	}
	var keys []place
	for at := range v.keys {
		keys = append(keys, at)
	}
	slices.SortFunc(keys, func(a, b place) int { return cmp.Or(cmp.Compare(a.ns, b.ns), cmp.Compare(a.key, b.key)) })
	if err := v.listed(ctx); err != nil {
		return err
	}
	v.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	keys = slices.DeleteFunc(keys, func(at place) bool { return at.key == fenceKey })
	return parallel(keys[:min(len(keys), 1000)], func(at place) error { return v.history(ctx, at) })
}

func (v *verifier) reread(ctx context.Context) error {
	changes, _, err := v.logs(ctx, 0)
	if err != nil {
		return err
	}
	changes = slices.DeleteFunc(changes, func(ch change) bool { return ch.Position > v.position })
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.Position, b.Position) })
	again := fnv.New64a()
	for _, ch := range changes {
		digest(again, ch)
	}
	if again.Sum64() != v.log.Sum64() {
		v.report(rewritten, place{}, "the change log reads differently from its beginning: %d changes after %d", len(changes), v.seen)
	}
	return nil
}

// listed holds the lists of all namespaces against the ledger.
func (v *verifier) listed(ctx context.Context) error {
	for _, ns := range namespaces {
		entries, err := v.client.list(ctx, ns)
		if err != nil {
			return err
		}
		last := ""
		live := 0
		for i, e := range entries {
			at := place{ns, e.Key}
			k, ok := v.keys[at]
			switch {
			case e.Key == fenceKey: // written again by this check
			case i > 0 && e.Key <= last:
				v.report(disorder, at, "the list gives it behind %q", last)
			case !ok || !k.live:
				v.report(ghost, at, "the list has version %d of an absent key", e.Version)
			case e.Version != k.version() || !bytes.Equal(e.Value, k.value):
				v.report(stale, at, "the list has version %d, the change log ends with %d", e.Version, k.version())
			}
			last = e.Key
		}
		for at, k := range v.keys {
			if at.ns == ns && k.live {
				live++
			}
		}
		if live != len(entries) {
			v.report(lost, place{ns: ns}, "the list has %d keys of %d", len(entries), live)
		}
	}
	return nil
}
