package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// dataSecurityGroupArgs are who may reach a data tier, and where.
type dataSecurityGroupArgs struct {
	Spec        platform.Spec
	Network     *Network
	Clients     pulumi.StringInput // security group
	Ports       []int
	Description string
}

// newDataSecurityGroup lets the clients in at the ports, lets nobody else in,
// and nothing out: a data tier answers, and begins no connection. It gives the
// group's id.
func newDataSecurityGroup(ctx *pulumi.Context, name string, args dataSecurityGroupArgs, parent pulumi.Resource) (pulumi.StringInput, error) {
	group, err := ec2.NewSecurityGroup(ctx, name, &ec2.SecurityGroupArgs{
		VpcId:       args.Network.VPCID,
		Description: pulumi.String(args.Description),
		Tags:        named(name),
	}, attached(args.Spec, parent))
	if err != nil {
		return nil, fmt.Errorf("security group %s: %w", name, err)
	}
	for _, port := range args.Ports {
		if _, err := vpc.NewSecurityGroupIngressRule(ctx, fmt.Sprintf("%s-%d", name, port), &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId:           group.ID(),
			Description:               pulumi.String("Pods"),
			IpProtocol:                pulumi.String("tcp"),
			FromPort:                  pulumi.Int(port),
			ToPort:                    pulumi.Int(port),
			ReferencedSecurityGroupId: args.Clients,
		}, pulumi.Parent(parent)); err != nil {
			return nil, fmt.Errorf("port %d of security group %s: %w", port, name, err)
		}
	}
	return group.ID().ToStringOutput(), nil
}
