package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// Options say what is rehearsed, and what shall go wrong.
type Options struct {
	Root    string // folder of Pulumi.yaml
	Stack   string // name
	File    string // the stack whose file of settings it takes; empty for its own
	Program pulumi.RunFunc
	Pulumi  string // path of the CLI

	// Settings are put over those of the stack's file, by whole key, such as
	// trivet:layer.
	Settings map[string]string

	// Below is a stack that this one stands on by a StackReference. It is
	// made before and destroyed after, and is no part of the report.
	Below *Options

	Faults  []standin.Fault
	Drift   []standin.Drift // none: a tag is changed by hand
	Cluster string          // kubeconfig of a cluster that the workloads are applied to; empty for none

	// Judge says what guardrails and prices make of the graph that was made.
	Judge func(settings map[string]string, g graph.Graph) (Verdict, error)

	Progress io.Writer
	Now      func() time.Time
}

// Run rehearses a stack, and gives the report of what happened. With a failed
// step the report has what came before it.
func Run(ctx context.Context, o Options) (Report, error) {
	r, err := open(ctx, o)
	if err != nil {
		return Report{}, err
	}
	defer r.close()
	begun := o.Now()
	err = r.all(ctx)
	r.report.Seconds = round(o.Now().Sub(begun).Seconds(), 1)
	return r.report, err
}

// run is a rehearsal with the engine's surroundings.
type run struct {
	Options
	dir       string
	cloud     *standin.Cloud
	plugins   *standin.Plugins
	workspace *workspace
	report    Report
}

// open starts the stand-ins and makes a workspace.
func open(ctx context.Context, o Options) (*run, error) {
	dir, err := os.MkdirTemp("", "trivet-rehearsal-")
	if err != nil {
		return nil, err
	}
	r := &run{
		Options: o, dir: dir, cloud: standin.NewCloud(o.Faults...),
		report: Report{Stack: o.Stack, Steps: map[string]Counts{}, Retained: []string{}},
	}
	if err := r.start(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *run) start(ctx context.Context) error {
	providers, err := Providers(r.cloud, r.Now, r.Cluster)
	if err != nil {
		return err
	}
	if r.plugins, err = standin.Serve(ctx, r.cloud, providers...); err != nil {
		return err
	}
	cli, err := newCommand(ctx, r.Pulumi)
	if err != nil {
		return err
	}
	r.workspace, err = newWorkspace(r.dir, r.Root, cli, r.plugins)
	return err
}

func (r *run) close() {
	if r.plugins != nil {
		r.plugins.Close()
	}
	os.RemoveAll(r.dir) //nolint:errcheck,gosec // a temporary directory
}

// steps makes the stack.
func (r *run) steps(ctx context.Context) (steps, error) {
	stack, err := r.workspace.stack(ctx, r.Stack, r.File, r.Program, r.Settings)
	return steps{stack: stack, progress: r.Progress, now: r.Now}, err
}

// all goes through the steps, each of which has to end as it should.
func (r *run) all(ctx context.Context) error {
	fmt.Fprintf(r.Progress, "Rehearsing %s with stand-ins for its providers: no account is used.\n", r.Stack)
	if r.Cluster != "" {
		fmt.Fprintf(r.Progress, "Kubernetes objects are applied to the cluster of %s, and deleted at the end.\n", r.Cluster)
	}
	if r.Below != nil {
		finish, err := r.below(ctx)
		if err != nil {
			return fmt.Errorf("stack %s, which this one stands on: %w", r.Below.Stack, err)
		}
		defer finish()
	}
	s, err := r.steps(ctx)
	if err != nil {
		return err
	}
	preview, err := s.preview(ctx, "preview")
	if err != nil {
		return err
	}
	r.report.Steps["preview"] = preview.counts
	if err := r.up(ctx, s); err != nil {
		return err
	}
	if err := r.examine(ctx, s); err != nil {
		return err
	}
	again, err := s.preview(ctx, "again")
	if err != nil {
		return err
	}
	r.report.Steps["again"] = again.counts
	if again.counts.Changed() {
		return fmt.Errorf("again: a second plan has to have nothing to do, and has: %s\n%s", again.counts, again.list())
	}
	if err := r.drift(ctx, s); err != nil {
		return err
	}
	return r.down(ctx, s)
}

// up makes everything. When faults were asked for it fails, and the next run
// has to complete without making anything twice.
func (r *run) up(ctx context.Context, s steps) error {
	up, err := s.up(ctx, "up")
	r.report.Steps["up"] = up.counts
	if len(r.Faults) > 0 {
		for _, fault := range r.cloud.Pending() {
			return fmt.Errorf("the fault %s has not happened: there are not as many", fault)
		}
		if err == nil {
			return errors.New("up: a fault was asked for, and nothing failed")
		}
		fmt.Fprintf(r.Progress, "%-10s failed as it was asked to: %s\n", "up", firstLine(err))
		if up, err = s.up(ctx, "recover"); err == nil {
			r.report.Steps["recover"] = up.counts
		}
	}
	if err != nil {
		return err
	}
	if twice := r.cloud.Duplicates(); len(twice) > 0 {
		return fmt.Errorf("up: made twice, of which one is in nobody's state: %v", twice)
	}
	return nil
}

// examine judges what was made.
func (r *run) examine(ctx context.Context, s steps) error {
	g, err := r.exported(ctx, s)
	if err != nil {
		return err
	}
	r.report.graph = g
	r.report.count(g)
	if r.Judge == nil {
		return nil
	}
	settings, err := s.stack.GetAllConfig(ctx)
	if err != nil {
		return shortened(err)
	}
	values := map[string]string{}
	for key, value := range settings {
		values[key] = value.Value
	}
	r.report.Verdict, err = r.Judge(values, g)
	return err
}

// exported gives the stack as its state has it.
func (r *run) exported(ctx context.Context, s steps) (graph.Graph, error) {
	state, err := s.export(ctx, r.workspace)
	if err != nil {
		return nil, err
	}
	return graph.ReadDeployment(strings.NewReader(state))
}

// drift changes something behind the engine's back, and wants refresh to show
// it and the next up to repair it.
func (r *run) drift(ctx context.Context, s steps) error {
	changed := map[string]bool{}
	for _, d := range r.Drift {
		urn, err := r.cloud.Plant(d)
		if err != nil {
			return err
		}
		changed[string(urn)] = true
	}
	if len(r.Drift) == 0 {
		// What is on a real cluster is not changed for a rehearsal.
		urn, err := r.cloud.PlantTag(r.Stack, r.Cluster == "")
		if errors.Is(err, standin.ErrNoTags) && r.Cluster != "" {
			return nil
		}
		if err != nil {
			return err
		}
		changed[string(urn)] = true
	}
	refresh, err := s.refresh(ctx)
	if err != nil {
		return err
	}
	r.report.Steps["refresh"] = refresh.counts
	if !refresh.counts.Changed() {
		return errors.New("refresh: something was changed by hand, and is not shown")
	}
	repair, err := s.up(ctx, "repair")
	if err != nil {
		return err
	}
	r.report.Steps["repair"] = repair.counts
	for _, change := range repair.changes {
		delete(changed, change.URN)
	}
	if !repair.counts.Changed() || len(changed) > 0 {
		return fmt.Errorf("repair: what was changed by hand has to come back, and has not: %v", changed)
	}
	return nil
}

// down lifts the protection and destroys everything.
func (r *run) down(ctx context.Context, s steps) error {
	before, err := r.exported(ctx, s)
	if err != nil {
		return err
	}
	protected := 0
	for _, resource := range before {
		if resource.Protect {
			protected++
		}
		if resource.RetainOnDelete {
			r.report.Retained = append(r.report.Retained, resource.URN)
		}
	}
	slices.Sort(r.report.Retained)
	if r.report.Steps["unprotect"], err = s.unprotect(ctx, r.workspace, protected); err != nil {
		return err
	}
	destroy, err := s.destroy(ctx)
	if err != nil {
		return err
	}
	r.report.Steps["destroy"] = destroy.counts
	after, err := r.exported(ctx, s)
	if err != nil {
		return err
	}
	if len(after) > 0 {
		return fmt.Errorf("destroy: %d resources are left in the state", len(after))
	}
	for _, object := range r.cloud.Objects() {
		if string(object.URN.Stack()) != r.Stack {
			continue
		}
		if !slices.Contains(r.report.Retained, string(object.URN)) {
			return fmt.Errorf("destroy: %s is left, and nobody wanted to keep it", object.URN)
		}
	}
	return nil
}

// below makes the stack that this one stands on, and gives what destroys it.
func (r *run) below(ctx context.Context) (func(), error) {
	stack, err := r.workspace.stack(ctx, r.Below.Stack, r.Below.File, r.Below.Program, r.Below.Settings)
	if err != nil {
		return nil, err
	}
	s := steps{stack: stack, progress: io.Discard, now: r.Now}
	up, err := s.up(ctx, "up")
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(r.Progress, "%-10s %s  (stack %s)\n", "below", up.counts, r.Below.Stack)
	return func() {
		// Its end is rehearsed where it is the stack that is asked for.
		if _, err := s.unprotect(ctx, r.workspace, 0); err == nil {
			_, _ = s.destroy(ctx)
		}
	}, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
