// Package recorder sees, from within a running program, every resource that
// the program registers, and makes a graph of them.
package recorder

import (
	"context"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/graph"
)

// A Recorder collects registrations. It watches at two places, since neither
// shows everything: where the program calls the SDK it sees which outputs an
// input was computed from, and where the engine is about to act it sees the
// properties as they go over the wire.
type Recorder struct {
	refuse func(graph.Resource) error

	mu         sync.Mutex
	registered []registration
	sent       map[string]graph.Resource // by URN
}

// registration is a resource as the program asked for it.
type registration struct {
	resource pulumi.Resource
	props    pulumi.Input
}

// Start records every registration from now on. A resource for which refuse
// gives an error is not made, and the deployment fails with that error; refuse
// may be nil.
func Start(ctx *pulumi.Context, refuse func(graph.Resource) error) (*Recorder, error) {
	r := &Recorder{refuse: refuse, sent: map[string]graph.Resource{}}
	if err := ctx.RegisterStackTransformation(r.register); err != nil {
		return nil, fmt.Errorf("watch registrations: %w", err)
	}
	transform := func(within context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
		return r.send(within, ctx, args)
	}
	if err := ctx.RegisterResourceTransform(transform); err != nil {
		return nil, fmt.Errorf("watch what goes to the engine: %w", err)
	}
	return r, nil
}

func (r *Recorder) register(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registered = append(r.registered, registration{args.Resource, args.Props})
	return nil
}

// send notes what the engine was sent. A transform has no way to fail; one
// that answers with a property that has failed comes to the same.
func (r *Recorder) send(within context.Context, ctx *pulumi.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
	sent, err := resourceOf(within, ctx, args)
	if err == nil && r.refuse != nil {
		err = r.refuse(sent)
	}
	if err != nil {
		failed, _, fail := ctx.NewOutput()
		fail(err)
		return &pulumi.ResourceTransformResult{Props: pulumi.Map{"refused": failed}, Opts: args.Opts}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent[sent.URN] = sent
	return nil
}

func resourceOf(within context.Context, ctx *pulumi.Context, args *pulumi.ResourceTransformArgs) (graph.Resource, error) {
	parent := ""
	if args.Opts.Parent != nil {
		var err error
		if parent, err = urnOf(within, args.Opts.Parent); err != nil {
			return graph.Resource{}, err
		}
	}
	inputs, err := properties(within, args.Props)
	if err != nil {
		return graph.Resource{}, fmt.Errorf("properties of %s %s: %w", args.Type, args.Name, err)
	}
	parentType := tokens.Type("")
	if parent != "" {
		parentType = urn.URN(parent).QualifiedType()
	}
	own := urn.New(tokens.QName(ctx.Stack()), tokens.PackageName(ctx.Project()), parentType, tokens.Type(args.Type), args.Name)
	return graph.Resource{
		URN: string(own), Type: args.Type, Name: args.Name, Parent: parent, Inputs: inputs,
		Protect: args.Opts.Protect, RetainOnDelete: args.Opts.RetainOnDelete,
	}, nil
}

// Then judges the graph of all resources that were registered before it was
// called, once the engine has seen each of them: in a preview before anything
// is made. The program fails when judge does, as long as the output is used;
// an export is enough.
func (r *Recorder) Then(ctx *pulumi.Context, judge func(graph.Graph) (any, error)) pulumi.Output {
	r.mu.Lock()
	registered := append([]registration(nil), r.registered...)
	r.mu.Unlock()
	urns := make([]any, len(registered))
	for i, each := range registered {
		urns[i] = each.resource.URN()
	}
	return pulumi.All(urns...).ApplyT(func([]any) (any, error) {
		g, err := r.graph(ctx.Context(), registered)
		if err != nil {
			return nil, err
		}
		return judge(g)
	})
}

func (r *Recorder) graph(ctx context.Context, registered []registration) (graph.Graph, error) {
	var g graph.Graph
	for _, each := range registered {
		own, err := urnOf(ctx, each.resource)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		sent, found := r.sent[own]
		r.mu.Unlock()
		if !found {
			continue // it was looked up, not made
		}
		if sent.References, err = references(ctx, each.props); err != nil {
			return nil, fmt.Errorf("references of %s: %w", own, err)
		}
		g = append(g, sent)
	}
	return g, nil
}
