package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// EdgeArgs are what the edge depends on.
type EdgeArgs struct {
	Spec       platform.Spec
	Account    Account
	Providers  *Providers
	Network    *Network
	Cluster    *Cluster
	Keys       *Keys
	AccessLogs pulumi.StringInput // bucket for the record of requests to the edge's own bucket
}

// Edge is what the world sees: names and certificates, the balancer, the CDN,
// the firewalls.
type Edge struct {
	pulumi.ResourceState

	Endpoint             platform.EdgeEndpoint
	BalancerSuffix       pulumi.StringOutput // the balancer as CloudWatch calls it
	APITargetsSuffix     pulumi.StringOutput // its target group of the API
	StaticTargetsSuffix  pulumi.StringOutput // its target group of console, docs and status
	DistributionID       pulumi.StringOutput // of the CDN; the zero value without one
	ZoneID               pulumi.StringOutput
	BalancerFirewallName pulumi.StringOutput // as CloudWatch calls it; the zero value without one
	CDNFirewallName      pulumi.StringOutput // likewise; its metrics are in us-east-1
}
