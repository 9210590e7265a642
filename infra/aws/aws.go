package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// New gives the cloud that makes platforms on AWS.
func New() platform.Cloud { return &cloud{lookUp: lookUpNameServers} }

type cloud struct {
	lookUp  nameServers
	session *session
}

// A session is what a deployment talks to AWS through, and what it has been
// told. The preflight begins it; a resource cannot be registered twice.
type session struct {
	ctx       *pulumi.Context
	providers *Providers
	account   Account
	zones     []string
}

// Name implements platform.Cloud.
func (*cloud) Name() string { return "aws" }

// begin gives the deployment's session.
func (c *cloud) begin(ctx *pulumi.Context, spec platform.Spec) (*session, error) {
	if c.session != nil && c.session.ctx == ctx {
		return c.session, nil
	}
	begun := &session{ctx: ctx}
	var err error
	if begun.providers, err = newProviders(ctx, spec); err != nil {
		return nil, err
	}
	if begun.account, err = lookUpAccount(ctx, spec.Region, begun.providers.Home); err != nil {
		return nil, err
	}
	if begun.zones, err = lookUpZones(ctx, begun.providers.Home); err != nil {
		return nil, err
	}
	c.session = begun
	return begun, nil
}

// Provision implements platform.Cloud.
func (c *cloud) Provision(ctx *pulumi.Context, spec platform.Spec) (*platform.Platform, error) {
	begun, err := c.begin(ctx, spec)
	if err != nil {
		return nil, err
	}
	tiers, err := newTiers(ctx, spec, begun)
	if err != nil {
		return nil, err
	}
	return tiers.platform(spec), nil
}
