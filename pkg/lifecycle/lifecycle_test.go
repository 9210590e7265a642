package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/lifecycle"
)

func TestLoopToleratesAnyOrder(t *testing.T) {
	t.Parallel()
	runs := make(chan struct{}, 4)
	loop := lifecycle.NewLoop(func(ctx context.Context) {
		runs <- struct{}{}
		<-ctx.Done()
	})
	for range 2 {
		if err := loop.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := loop.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := loop.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 1 {
		t.Fatalf("the loop ran %d times, want once", len(runs))
	}
}

func TestLoopStoppedBeforeItsStartNeverRuns(t *testing.T) {
	t.Parallel()
	loop := lifecycle.NewLoop(func(context.Context) { t.Error("the loop ran") })
	if err := loop.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := loop.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLoopOutlivesTheContextOfItsStart(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	loop := lifecycle.NewLoop(func(ctx context.Context) { <-ctx.Done(); close(ended) })
	ctx, cancel := context.WithCancel(t.Context())
	if err := loop.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-ended:
		t.Fatal("the loop ended with the context of its start")
	default:
	}
	if err := loop.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func TestLoopThatDoesNotEndIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		loop := lifecycle.NewLoop(func(context.Context) { <-release })
		if err := loop.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := loop.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
		close(release)
	})
}

type recorder struct {
	name            string
	log             *[]string
	onStart, onStop error
}

func (r recorder) Start(context.Context) error {
	*r.log = append(*r.log, "start "+r.name)
	return r.onStart
}

func (r recorder) Stop(context.Context) error {
	*r.log = append(*r.log, "stop "+r.name)
	return r.onStop
}

func TestGroupStopsInReverseAndReportsEveryFailure(t *testing.T) {
	t.Parallel()
	var log []string
	var group lifecycle.Group
	errA, errC := errors.New("a"), errors.New("c")
	for _, r := range []recorder{{"a", &log, nil, errA}, {"b", &log, nil, nil}, {"c", &log, nil, errC}} {
		if err := group.Start(t.Context(), r.name, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := group.Start(t.Context(), "d", recorder{"d", &log, errors.New("no port"), nil}); err == nil {
		t.Fatal("a failed start was not reported")
	}
	err := group.Stop(t.Context())
	if !errors.Is(err, errA) || !errors.Is(err, errC) {
		t.Fatalf("got %v, want both failures", err)
	}
	if err := group.Stop(t.Context()); err != nil {
		t.Fatalf("second stop: %v", err)
	}
	want := []string{"start a", "start b", "start c", "start d", "stop c", "stop b", "stop a"}
	if !slices.Equal(log, want) {
		t.Fatalf("got %v, want %v", log, want)
	}
}
