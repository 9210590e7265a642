package guardrails

import (
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/graph/recorder"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// A Guard judges a program while it runs.
type Guard struct {
	preview  bool
	tier     platform.Tier
	waivers  []stack.Waiver
	now      time.Time
	recorder *recorder.Recorder
}

// Start judges every resource that is registered from now on. In production a
// resource that breaks a rule by itself is refused where it is registered, even
// when nobody has looked at a preview.
func Start(ctx *pulumi.Context, tier platform.Tier, waivers []stack.Waiver, now time.Time) (*Guard, error) {
	guard := &Guard{preview: ctx.DryRun(), tier: tier, waivers: waivers, now: now}
	var err error
	guard.recorder, err = recorder.Start(ctx, guard.refuse)
	return guard, err
}

// refuse gives an error for a resource of a production stack that breaks a
// rule which can be told by looking at it alone. A preview goes on, to the list
// of everything that is wrong.
func (g *Guard) refuse(r graph.Resource) error {
	if g.preview || g.tier != platform.Prod {
		return nil
	}
	report := Report{}
	book := newWaivers(g.waivers, g.now)
	for _, rule := range Rules() {
		for _, finding := range rule.Check.within(r) {
			report.add(rule, finding, book)
		}
	}
	if report.OK() {
		return nil
	}
	return fmt.Errorf("guardrails refuse it:\n%s", report)
}

// Finish judges the stack as a whole, once every resource has been seen: in a
// preview before anything is made. What stops the stack fails the program, and
// anything else that is wrong is a warning. The output is a summary of the
// [Report]; it has to be exported, or the program would not wait for it.
func (g *Guard) Finish(ctx *pulumi.Context) pulumi.Output {
	return g.recorder.Then(ctx, func(resources graph.Graph) (any, error) {
		report := Check(resources, g.tier, g.waivers, g.now)
		for _, warning := range report.Warnings {
			if err := ctx.Log.Warn("guardrails: "+warning, nil); err != nil {
				return nil, err
			}
		}
		switch {
		case report.OK():
			return report.summary(), nil
		case report.Stops(g.tier):
			return nil, fmt.Errorf("guardrails stop this stack:\n%s", report)
		default:
			return report.summary(), ctx.Log.Warn("guardrails would stop this stack in production:\n"+report.String(), nil)
		}
	})
}

// Graph gives something that is computed from the stack as a whole, under the
// same conditions as [Guard.Finish].
func (g *Guard) Graph(ctx *pulumi.Context, compute func(graph.Graph) (any, error)) pulumi.Output {
	return g.recorder.Then(ctx, compute)
}

// summary is what the stack's output shows.
func (r Report) summary() map[string]any {
	waived := make([]any, len(r.Waived))
	for i, violation := range r.Waived {
		waived[i] = map[string]any{"rule": violation.Rule, "resource": violation.Resource, "reason": violation.Reason}
	}
	return map[string]any{"passed": r.Passed, "failed": len(r.Failed) + len(r.Errors), "waived": waived}
}
