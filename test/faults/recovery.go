//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// recoverWithin is how long an installation may take at most to work again as a
// whole once everything it needs is back.
const recoverWithin = 60 * time.Second

// probeTimeout is how long one attempt of a probe may take.
const probeTimeout = 500 * time.Millisecond

// recovery is how long it took until a kind of request worked again.
type recovery struct {
	fault   string
	request string
	took    time.Duration
}

// recover makes requests of every kind to every api until each has worked.
func (l *load) recover(ctx context.Context, fault string) ([]recovery, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	var (
		mu   sync.Mutex
		all  []recovery
		errs []error
		wg   sync.WaitGroup
	)
	for _, e := range l.endpoints {
		for request, attempt := range e.probes() {
			wg.Go(func() {
				err := repeat(ctx, attempt)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %s by %s does not work: %w", fault, request, e.name, err))
				}
				all = append(all, recovery{fault, request, time.Since(begin)})
			})
		}
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// repeat makes attempts until one succeeds, and gives the last one's error.
func repeat(ctx context.Context, attempt func(ctx context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, probeTimeout)
		err := attempt(try)
		cancel()
		if err == nil || !pause(ctx, 10*time.Millisecond) {
			return err
		}
	}
}

// probes are requests of every kind. Their keys are the endpoint's own.
func (e *endpoint) probes() map[string]func(ctx context.Context) error {
	op := func(kind string) kv.Operation {
		return kv.Operation{Kind: kv.KindPut, Key: probeKeys + e.name + "/" + kind, Value: fmt.Append(nil, time.Now().UnixNano())}
	}
	later := op("async")
	return map[string]func(ctx context.Context) error{
		"write": func(ctx context.Context) error {
			_, err := e.sync.Apply(ctx, namespace, op("write"), kv.Identity{ID: kv.NewWriteID(time.Now())})
			return err
		},
		"read": func(ctx context.Context) error {
			_, err := e.sync.Get(ctx, namespace, probeKeys+e.name+"/write", kv.ReadOptions{Consistency: kv.Shared})
			if errors.Is(err, kv.ErrNotFound) {
				return nil
			}
			return err
		},
		"asynchronous write": func(ctx context.Context) error {
			if _, err := e.async.Apply(ctx, namespace, later, kv.Identity{ID: kv.NewWriteID(time.Now())}); err != nil {
				return err
			}
			return repeatWhile(ctx, func() (bool, error) {
				entry, err := e.sync.Get(ctx, namespace, later.Key, kv.ReadOptions{Consistency: kv.Strong})
				return err != nil || string(entry.Value) != string(later.Value), err
			})
		},
	}
}

// repeatWhile asks until the answer is no.
func repeatWhile(ctx context.Context, again func() (bool, error)) error {
	for {
		yes, err := again()
		if !yes {
			return nil
		}
		if !pause(ctx, 5*time.Millisecond) {
			return errors.Join(ctx.Err(), err)
		}
	}
}
