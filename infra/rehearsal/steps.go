package rehearsal

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// progressEvery is the time between two lines about a step that is under way.
const progressEvery = 5 * time.Second

// Counts are how many resources a step did what with, by the engine's own
// names of operations: create, update, replace, delete, same …
type Counts map[string]int

// Changed tells whether anything but looking was done.
func (c Counts) Changed() bool {
	for operation, n := range c {
		if n > 0 && operation != string(apitype.OpSame) && operation != string(apitype.OpRefresh) && operation != string(apitype.OpRead) {
			return true
		}
	}
	return false
}

func (c Counts) String() string {
	var parts []string
	for operation, n := range c {
		parts = append(parts, fmt.Sprintf("%s %d", operation, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// Change is what a step did to one resource, or would do.
type Change struct {
	Operation string
	URN       string
	Type      string
	Keys      []string // properties that differ
}

// outcome is what the engine said during a step.
type outcome struct {
	counts   Counts
	changes  []Change
	problems []string
}

// watch reads a step's events until the engine is done.
func watch(name string, progress io.Writer, now func() time.Time, run func(chan<- events.EngineEvent) error) (outcome, error) {
	var result outcome
	channel := make(chan events.EngineEvent)
	var reading sync.WaitGroup
	begun := now()
	reading.Go(func() {
		done, shown := map[string]bool{}, begun
		for event := range channel {
			result.take(event)
			if event.ResOutputsEvent != nil {
				done[event.ResOutputsEvent.Metadata.URN] = true
			}
			if at := now(); at.Sub(shown) >= progressEvery {
				shown = at
				fmt.Fprintf(progress, "  %s: %d resources after %.0f s\n", name, len(done), at.Sub(begun).Seconds())
			}
		}
	})
	err := run(channel)
	reading.Wait()
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, result.explain(err))
	}
	fmt.Fprintf(progress, "%-10s %s  (%.1f s)\n", name, result.counts, now().Sub(begun).Seconds())
	return result, nil
}

func (o *outcome) take(event events.EngineEvent) {
	switch {
	case event.SummaryEvent != nil:
		o.counts = Counts{}
		for operation, n := range event.SummaryEvent.ResourceChanges {
			o.counts[string(operation)] = n
		}
	case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "error":
		text := strings.TrimSpace(event.DiagnosticEvent.Message)
		if event.DiagnosticEvent.URN != "" {
			text = event.DiagnosticEvent.URN + ": " + text
		}
		o.problems = append(o.problems, text)
	case event.ResOutputsEvent != nil:
		m := event.ResOutputsEvent.Metadata
		o.changes = append(o.changes, Change{Operation: string(m.Op), URN: m.URN, Type: m.Type, Keys: m.Diffs})
	case event.ResourcePreEvent != nil:
		m := event.ResourcePreEvent.Metadata
		if m.Op == apitype.OpDelete || m.Op == apitype.OpReplace || m.Op == apitype.OpDeleteReplaced || m.Op == apitype.OpCreateReplacement {
			o.changes = append(o.changes, Change{Operation: string(m.Op), URN: m.URN, Type: m.Type, Keys: m.Keys})
		}
	}
}

// list names what a step changed, one a line.
func (o *outcome) list() string {
	var lines []string
	for _, change := range o.changes {
		if change.Operation != string(apitype.OpSame) {
			lines = append(lines, fmt.Sprintf("  %s %s %v", change.Operation, change.URN, change.Keys))
		}
	}
	return strings.Join(lines, "\n")
}

// explain puts what the engine reported in the place of the command's output.
func (o *outcome) explain(err error) error {
	if len(o.problems) == 0 {
		return shortened(err)
	}
	return problems(o.problems)
}

// problems are the engine's own messages.
type problems []string

func (p problems) Error() string { return strings.Join(p, "\n") }

// steps runs the engine on one stack.
type steps struct {
	stack    auto.Stack
	progress io.Writer
	now      func() time.Time
}

func (s steps) preview(ctx context.Context, name string) (outcome, error) {
	return watch(name, s.progress, s.now, func(channel chan<- events.EngineEvent) error {
		_, err := s.stack.Preview(ctx, optpreview.EventStreams(channel), optpreview.Color("never"), optpreview.SuppressProgress())
		return err
	})
}

func (s steps) up(ctx context.Context, name string) (outcome, error) {
	return watch(name, s.progress, s.now, func(channel chan<- events.EngineEvent) error {
		_, err := s.stack.Up(ctx, optup.EventStreams(channel), optup.Color("never"), optup.SuppressProgress(), optup.SuppressOutputs())
		return err
	})
}

func (s steps) refresh(ctx context.Context) (outcome, error) {
	return watch("refresh", s.progress, s.now, func(channel chan<- events.EngineEvent) error {
		_, err := s.stack.Refresh(ctx, optrefresh.EventStreams(channel), optrefresh.Color("never"), optrefresh.SuppressProgress())
		return err
	})
}

func (s steps) destroy(ctx context.Context) (outcome, error) {
	return watch("destroy", s.progress, s.now, func(channel chan<- events.EngineEvent) error {
		_, err := s.stack.Destroy(ctx, optdestroy.EventStreams(channel), optdestroy.Color("never"), optdestroy.SuppressProgress())
		return err
	})
}

// export gives the state, with its secrets encrypted.
func (s steps) export(ctx context.Context, w *workspace) (string, error) {
	state, err := w.run(ctx, "stack", "export", "--stack", s.stack.Name())
	if err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	return state, nil
}

// unprotect lifts the protection of every resource in the state.
func (s steps) unprotect(ctx context.Context, w *workspace, protected int) (Counts, error) {
	begun := s.now()
	if _, err := w.run(ctx, "state", "unprotect", "--all", "--yes", "--stack", s.stack.Name()); err != nil {
		return nil, fmt.Errorf("unprotect: %w", err)
	}
	counts := Counts{"unprotect": protected}
	fmt.Fprintf(s.progress, "%-10s %s  (%.1f s)\n", "unprotect", counts, s.now().Sub(begun).Seconds())
	return counts, nil
}
