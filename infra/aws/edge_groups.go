package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// cdnAddresses is AWS's own list of the addresses that CloudFront comes from.
const cdnAddresses = "com.amazonaws.global.cloudfront.origin-facing"

// addBalancerGroups makes the balancer's security groups and opens the nodes to
// it, at its two ports and no others. The CDN's addresses have a group of their
// own: their list counts as 55 of the 60 rules that a group can have.
func (e *Edge) addBalancerGroups(ctx *pulumi.Context, name string, args EdgeArgs) (pulumi.StringArray, error) {
	public, err := e.addGroup(ctx, edgeName(name, "balancer"), "Requests from clients, and to nodes", args)
	if err != nil {
		return nil, err
	}
	sources := args.Spec.Edge.AllowCIDRs
	if len(sources) == 0 {
		sources = []string{everywhere}
	}
	for i, source := range sources {
		for _, port := range []int{80, 443} {
			ruleName := fmt.Sprintf("%s-%d-%d", edgeName(name, "balancer"), port, i+1)
			if _, err := vpc.NewSecurityGroupIngressRule(ctx, ruleName, &vpc.SecurityGroupIngressRuleArgs{
				SecurityGroupId: public.ID(),
				Description:     pulumi.String("Clients"),
				IpProtocol:      pulumi.String("tcp"),
				FromPort:        pulumi.Int(port),
				ToPort:          pulumi.Int(port),
				CidrIpv4:        pulumi.String(source),
			}, pulumi.Parent(e)); err != nil {
				return nil, fmt.Errorf("rule %s: %w", ruleName, err)
			}
		}
	}
	for _, port := range []int{apiNodePort, staticNodePort} {
		ruleName := fmt.Sprintf("%s-%d", edgeName(name, "nodes"), port)
		if _, err := vpc.NewSecurityGroupEgressRule(ctx, ruleName, &vpc.SecurityGroupEgressRuleArgs{
			SecurityGroupId:           public.ID(),
			Description:               pulumi.String("Nodes"),
			IpProtocol:                pulumi.String("tcp"),
			FromPort:                  pulumi.Int(port),
			ToPort:                    pulumi.Int(port),
			ReferencedSecurityGroupId: args.Cluster.NodeSecurityGroupID,
		}, pulumi.Parent(e)); err != nil {
			return nil, fmt.Errorf("rule %s out: %w", ruleName, err)
		}
		if _, err := vpc.NewSecurityGroupIngressRule(ctx, ruleName, &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId:           args.Cluster.NodeSecurityGroupID,
			Description:               pulumi.String("Balancer"),
			IpProtocol:                pulumi.String("tcp"),
			FromPort:                  pulumi.Int(port),
			ToPort:                    pulumi.Int(port),
			ReferencedSecurityGroupId: public.ID(),
		}, pulumi.Parent(e)); err != nil {
			return nil, fmt.Errorf("rule %s in: %w", ruleName, err)
		}
	}
	groups := pulumi.StringArray{public.ID()}
	if !args.Spec.Edge.CDN {
		return groups, nil
	}

	origin, err := e.addGroup(ctx, edgeName(name, "origin"), "Requests from the CDN", args)
	if err != nil {
		return nil, err
	}
	addresses, err := ec2.LookupManagedPrefixList(ctx, &ec2.LookupManagedPrefixListArgs{Name: pulumi.StringRef(cdnAddresses)},
		pulumi.Provider(args.Providers.Home))
	if err != nil {
		return nil, fmt.Errorf("addresses of the CDN: %w", err)
	}
	if _, err := vpc.NewSecurityGroupIngressRule(ctx, edgeName(name, "origin"), &vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId: origin.ID(),
		Description:     pulumi.String("CDN"),
		IpProtocol:      pulumi.String("tcp"),
		FromPort:        pulumi.Int(originPort),
		ToPort:          pulumi.Int(originPort),
		PrefixListId:    pulumi.String(addresses.Id),
	}, pulumi.Parent(e)); err != nil {
		return nil, fmt.Errorf("rule of the origin: %w", err)
	}
	return append(groups, origin.ID()), nil
}

// addGroup makes a security group that lets nothing in or out yet.
func (e *Edge) addGroup(ctx *pulumi.Context, name, description string, args EdgeArgs) (*ec2.SecurityGroup, error) {
	group, err := ec2.NewSecurityGroup(ctx, name, &ec2.SecurityGroupArgs{
		VpcId:       args.Network.VPCID,
		Description: pulumi.String(description),
		Tags:        named(name),
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("security group %s: %w", name, err)
	}
	return group, nil
}
