// Package lifecycle is how Trivet's services and background loops start and
// stop: values with Start and Stop, in groups that stop in reverse order.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Service is anything that runs in the background. Start returns once it
// works; when it fails, it leaves nothing running. Stop returns once it has
// ended, or with ctx. Stop before Start, and a second Stop, do nothing.
type Service interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Loop makes a Service of a function that runs until its context ends.
type Loop struct {
	run func(ctx context.Context)

	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	stopped bool
}

// NewLoop makes a loop of run.
func NewLoop(run func(ctx context.Context)) *Loop { return &Loop{run: run} }

// Start runs the loop. It does nothing when the loop runs already or was
// stopped before.
func (l *Loop) Start(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil || l.stopped {
		return nil
	}
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.done = make(chan struct{})
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
	return nil
}

// Stop ends the loop and waits for it.
func (l *Loop) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.stopped = true
	cancel, done := l.cancel, l.done
	l.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop a loop: %w", ctx.Err())
	}
}

// Group starts services in order and stops them in reverse.
type Group struct {
	mu      sync.Mutex
	started []member
}

type member struct {
	name    string
	service Service
}

// Start starts one more service. When it fails, those before it keep running
// until Stop.
func (g *Group) Start(ctx context.Context, name string, s Service) error {
	if err := s.Start(ctx); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started = append(g.started, member{name, s})
	return nil
}

// Stop stops what was started, the last first, and reports every failure.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	started := g.started
	g.started = nil
	g.mu.Unlock()
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		if err := started[i].service.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", started[i].name, err))
		}
	}
	return errors.Join(errs...)
}
