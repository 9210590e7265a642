// Package program is what a deployment runs: it loads a stack's configuration,
// has the cloud make the platform, and puts the workloads on it.
package program

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// Program is the whole program with what it takes from outside.
type Program struct {
	Clouds []platform.Cloud
	// Deploy puts the workloads on the platform.
	Deploy func(ctx *pulumi.Context, on *platform.Platform, cfg stack.Config) error
}

// Run is the program of this repository.
func Run(ctx *pulumi.Context) error {
	return Program{}.Run(ctx)
}

// Run makes what the stack's configuration asks for.
func (p Program) Run(ctx *pulumi.Context) error {
	cfg, err := stack.Load(ctx)
	if err != nil {
		return err
	}
	on, err := p.platform(ctx, cfg)
	if err != nil {
		return err
	}
	if !cfg.Layer.HasWorkloads() {
		return nil
	}
	if err := p.Deploy(ctx, on, cfg); err != nil {
		return fmt.Errorf("deploy the workloads: %w", err)
	}
	return nil
}

// platform gives what the cloud makes.
func (p Program) platform(ctx *pulumi.Context, cfg stack.Config) (*platform.Platform, error) {
	for _, cloud := range p.Clouds {
		if cloud.Name() != cfg.Cloud {
			continue
		}
		if err := cloud.Preflight(ctx, cfg.Spec); err != nil {
			return nil, err
		}
		return cloud.Provision(ctx, cfg.Spec)
	}
	return nil, fmt.Errorf("there is no cloud called %q", cfg.Cloud)
}
