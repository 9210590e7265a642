package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// The ports on every node where the balancer finds the services, from the range
// that Kubernetes gives such ports from.
const (
	apiNodePort    = 30443
	staticNodePort = 30444
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
// the firewalls. Requests to the API go straight to the balancer; console,
// docs and status go through the CDN, and by no other way.
type Edge struct {
	pulumi.ResourceState

	Endpoint             platform.EdgeEndpoint
	BalancerSuffix       pulumi.StringOutput // the balancer as CloudWatch calls it
	APITargetsSuffix     pulumi.StringOutput // its target group of the API
	StaticTargetsSuffix  pulumi.StringOutput // its target group of console, docs and status
	DistributionID       pulumi.StringOutput // of the CDN; the zero value without one
	DSRecord             pulumi.StringOutput // what the zone above has to say so that the zone's signature counts; the zero value without one
	BalancerFirewallName pulumi.StringOutput // as CloudWatch calls it; the zero value without one
	CDNFirewallName      pulumi.StringOutput // likewise; its metrics are in us-east-1
	CertificateARN       pulumi.StringOutput // the balancer's

	logKey *kms.Key // of log groups in us-east-1, once one was needed
}

// NewEdge registers the edge.
func NewEdge(ctx *pulumi.Context, name string, args EdgeArgs, opts ...pulumi.ResourceOption) (*Edge, error) {
	domain := args.Spec.Domain
	edge := &Edge{Endpoint: platform.EdgeEndpoint{
		APIHost:     "api." + domain,
		ConsoleHost: "console." + domain,
		StatusHost:  "status." + domain,
		NodePort:    apiNodePort,
		StaticPort:  staticNodePort,
		SourceCIDRs: append(append([]string{}, args.Network.PublicCIDRs...), args.Network.PrivateCIDRs...),
	}}
	if err := ctx.RegisterComponentResource(componentType("Edge"), name, edge, opts...); err != nil {
		return nil, err
	}

	if args.Spec.Production() {
		if err := edge.secureZone(ctx, name, args); err != nil {
			return nil, err
		}
	}
	certificates, err := edge.addCertificates(ctx, name, args)
	if err != nil {
		return nil, err
	}
	edge.CertificateARN = certificates.balancer
	logs, err := edge.addLogs(ctx, name, args)
	if err != nil {
		return nil, err
	}
	balancer, err := edge.addBalancer(ctx, name, args, certificates, logs)
	if err != nil {
		return nil, err
	}
	if args.Spec.Edge.CDN {
		if err := edge.addCDN(ctx, name, args, certificates, logs, balancer); err != nil {
			return nil, err
		}
	} else if err := edge.addRecords(ctx, name, args, balancer.address(), edge.staticHosts()...); err != nil {
		return nil, err
	}
	if err := edge.addRecords(ctx, name, args, balancer.address(), edge.Endpoint.APIHost); err != nil {
		return nil, err
	}

	outputs := pulumi.Map{
		"apiHost":     pulumi.String(edge.Endpoint.APIHost),
		"consoleHost": pulumi.String(edge.Endpoint.ConsoleHost),
		"statusHost":  pulumi.String(edge.Endpoint.StatusHost),
	}
	if args.Spec.Production() {
		outputs["dsRecord"] = edge.DSRecord
	}
	return edge, ctx.RegisterResourceOutputs(edge, outputs)
}

// staticHosts are the names behind the CDN, where there is one.
func (e *Edge) staticHosts() []string {
	return []string{e.Endpoint.ConsoleHost, e.Endpoint.StatusHost}
}

// originHost is the name by which the CDN knows the balancer.
func originHost(spec platform.Spec) string { return "origin." + spec.Domain }

// hostLabel is a name's first part, by which its records are called.
func hostLabel(spec platform.Spec, host string) string {
	return host[:len(host)-len(spec.Domain)-1]
}

// edgeName is the name of a part of the edge.
func edgeName(name, part string) string { return fmt.Sprintf("%s-%s", name, part) }
