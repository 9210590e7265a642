// Package program is what a deployment runs: it loads a stack's configuration,
// has the cloud make the platform, puts the workloads on it, and tells what
// came of it. A stack makes both layers, or one of them.
package program

import (
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/aws"
	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/guardrails"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads"
)

// Program is the whole program with what it takes from outside.
type Program struct {
	Clouds []platform.Cloud
	Watch  func(ctx *pulumi.Context, cfg stack.Config) (Judge, error) // before the first resource
}

// Judge has seen every resource of a deployment. Its outputs have to be
// exported, or the program would not wait for them.
type Judge interface {
	// Finish holds the resources against the guardrails and gives the result.
	Finish(ctx *pulumi.Context) pulumi.Output
	// Graph gives what is computed from the resources.
	Graph(ctx *pulumi.Context, compute func(graph.Graph) (any, error)) pulumi.Output
}

// Run is the program of this repository.
func Run(ctx *pulumi.Context) error {
	return Program{Clouds: []platform.Cloud{aws.New()}, Watch: guard(time.Now)}.Run(ctx)
}

// guard judges a deployment by the guardrails, whose waivers end by the clock.
func guard(now func() time.Time) func(*pulumi.Context, stack.Config) (Judge, error) {
	return func(ctx *pulumi.Context, cfg stack.Config) (Judge, error) {
		return guardrails.Start(ctx, cfg.Spec.Tier, cfg.Waivers, now())
	}
}

// Run makes what the stack's configuration asks for.
func (p Program) Run(ctx *pulumi.Context) error {
	outputs, err := p.deploy(ctx)
	if err != nil {
		return err
	}
	for name, value := range outputs {
		ctx.Export(name, value)
	}
	return nil
}

// deploy registers every resource of the stack and gives its outputs.
func (p Program) deploy(ctx *pulumi.Context) (pulumi.Map, error) {
	cfg, err := stack.Load(ctx)
	if err != nil {
		return nil, err
	}
	judge, err := p.Watch(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("watch what is registered: %w", err)
	}
	on, err := p.platform(ctx, cfg)
	if err != nil {
		return nil, err
	}
	outputs := outputsOf(cfg, on)
	if cfg.Layer == stack.LayerCloud {
		outputs[platformOutput] = pulumi.ToSecret(on.Encode())
	}
	if cfg.Layer.HasWorkloads() {
		made, err := workloads.Deploy(ctx, on, workloads.Args{
			Project: ctx.Project(), Tier: cfg.Spec.Tier, Services: cfg.Services, Autoscaling: cfg.Autoscaling,
		})
		if err != nil {
			return nil, fmt.Errorf("deploy the workloads: %w", err)
		}
		addWorkloads(outputs, made)
	}
	addJudgement(ctx, outputs, cfg, judge)
	return outputs, nil
}

// platform gives what the workloads stand on: what the cloud makes now, or what
// another stack has made.
func (p Program) platform(ctx *pulumi.Context, cfg stack.Config) (*platform.Platform, error) {
	if !cfg.Layer.HasCloud() {
		return platformOf(ctx, cfg.CloudStack)
	}
	cloud, err := p.cloud(cfg.Cloud)
	if err != nil {
		return nil, err
	}
	if err := cloud.Preflight(ctx, cfg.Spec); err != nil {
		return nil, fmt.Errorf("the deployment would fail:\n%w", err)
	}
	on, err := cloud.Provision(ctx, cfg.Spec)
	if err != nil {
		return nil, fmt.Errorf("make the platform on %s: %w", cloud.Name(), err)
	}
	return on, nil
}

func (p Program) cloud(name string) (platform.Cloud, error) {
	names := make([]string, len(p.Clouds))
	for i, cloud := range p.Clouds {
		if cloud.Name() == name {
			return cloud, nil
		}
		names[i] = cloud.Name()
	}
	return nil, fmt.Errorf("there is no cloud called %s; there are %s", name, strings.Join(names, ", "))
}
