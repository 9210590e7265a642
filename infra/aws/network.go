package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// NetworkArgs is what a Network is made from.
type NetworkArgs struct {
	Spec    platform.Spec
	Account Account
	Zones   []string // names of at least max(2, Spec.Network.Zones) availability zones
	Keys    *Keys
}

// Network is the private network: a VPC with public subnets for the balancer
// and NAT, private ones for nodes and pods, and data subnets that know no way
// to the internet.
//
// There are always subnets in two zones, since the cluster's control plane, the
// balancer and the database's subnet group all ask for two; they cost nothing.
// What costs something, NAT and nodes, is in the first Spread zones alone.
type Network struct {
	pulumi.ResourceState

	VPC              *ec2.Vpc
	VPCID            pulumi.StringOutput
	CIDR             string
	Zones            []string // of the subnets, in their order
	Spread           int      // in how many of them nodes and data run
	PublicSubnetIDs  pulumi.StringArray
	PrivateSubnetIDs pulumi.StringArray
	DataSubnetIDs    pulumi.StringArray
	PublicCIDRs      []string // of the subnets, as planned
	PrivateCIDRs     []string
	DataCIDRs        []string
	NATGatewayIDs    pulumi.StringArray // as CloudWatch calls them
	Routes           []pulumi.Resource  // what has to be there before a node or a balancer starts
}

// NewNetwork registers the network.
func NewNetwork(ctx *pulumi.Context, name string, args NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	zones := subnetZones(args.Spec)
	if len(args.Zones) < zones {
		return nil, fmt.Errorf("%s has %d usable availability zones, want %d", args.Spec.Region, len(args.Zones), zones)
	}
	plan, err := planSubnets(args.Spec.Network.CIDR, zones)
	if err != nil {
		return nil, err
	}
	network := &Network{
		CIDR:         args.Spec.Network.CIDR,
		Zones:        args.Zones[:zones],
		Spread:       args.Spec.Network.Zones,
		PublicCIDRs:  plan.Public,
		PrivateCIDRs: plan.Private,
		DataCIDRs:    plan.Data,
	}
	if err := ctx.RegisterComponentResource(componentType("Network"), name, network, opts...); err != nil {
		return nil, err
	}

	network.VPC, err = ec2.NewVpc(ctx, name+"-vpc", &ec2.VpcArgs{
		CidrBlock:          pulumi.String(network.CIDR),
		EnableDnsSupport:   pulumi.Bool(true),
		EnableDnsHostnames: pulumi.Bool(true), // or the private names of interface endpoints do not resolve
		Tags:               named(physicalName(args.Spec)),
	}, stateful(args.Spec, network))
	if err != nil {
		return nil, fmt.Errorf("VPC: %w", err)
	}
	network.VPCID = network.VPC.ID().ToStringOutput()

	// The default group and what is put into it by mistake: nothing gets in or out.
	if _, err := ec2.NewDefaultSecurityGroup(ctx, name+"-closed", &ec2.DefaultSecurityGroupArgs{
		VpcId: network.VPCID,
		Tags:  named(physicalName(args.Spec) + "-closed"),
	}, pulumi.Parent(network)); err != nil {
		return nil, fmt.Errorf("default security group: %w", err)
	}

	if err := network.addSubnets(ctx, name, args.Spec); err != nil {
		return nil, err
	}
	tables, err := network.addRoutes(ctx, name, args.Spec)
	if err != nil {
		return nil, err
	}
	if err := network.closeDataSubnets(ctx, name); err != nil {
		return nil, err
	}
	if err := network.addEndpoints(ctx, name, args, tables); err != nil {
		return nil, err
	}
	if args.Spec.Network.FlowLogs {
		if err := network.addFlowLogs(ctx, name, args); err != nil {
			return nil, err
		}
	}

	return network, ctx.RegisterResourceOutputs(network, pulumi.Map{
		"vpcId":            network.VPCID,
		"zones":            pulumi.ToStringArray(network.Zones),
		"publicSubnetIds":  network.PublicSubnetIDs,
		"privateSubnetIds": network.PrivateSubnetIDs,
		"dataSubnetIds":    network.DataSubnetIDs,
	})
}

// subnetZones is in how many zones there are subnets.
func subnetZones(spec platform.Spec) int { return max(2, spec.Network.Zones) }

// addSubnets makes the subnets of all kinds. None gives its machines public
// addresses: the balancer and NAT bring their own.
func (n *Network) addSubnets(ctx *pulumi.Context, name string, spec platform.Spec) error {
	for _, kind := range []struct {
		name  string
		cidrs []string
		ids   *pulumi.StringArray
	}{
		{"public", n.PublicCIDRs, &n.PublicSubnetIDs},
		{"private", n.PrivateCIDRs, &n.PrivateSubnetIDs},
		{"data", n.DataCIDRs, &n.DataSubnetIDs},
	} {
		for i, cidr := range kind.cidrs {
			subnetName := fmt.Sprintf("%s-%s-%d", name, kind.name, i+1)
			subnet, err := ec2.NewSubnet(ctx, subnetName, &ec2.SubnetArgs{
				VpcId:               n.VPCID,
				CidrBlock:           pulumi.String(cidr),
				AvailabilityZone:    pulumi.String(n.Zones[i]),
				MapPublicIpOnLaunch: pulumi.Bool(false),
				Tags:                named(fmt.Sprintf("%s-%s-%s", physicalName(spec), kind.name, n.Zones[i])),
			}, stateful(spec, n)) // what is kept, data and cluster, stands in them
			if err != nil {
				return fmt.Errorf("subnet %s: %w", subnetName, err)
			}
			*kind.ids = append(*kind.ids, subnet.ID().ToStringOutput())
		}
	}
	return nil
}

// closeDataSubnets lets the data subnets talk within the network only, whatever
// a security group allows. The other subnets keep the VPC's own list, which
// lets everything through: such a list has no memory, so that it would have to
// let in every port above 1024 for answers from outside, and security groups
// guard each machine there.
func (n *Network) closeDataSubnets(ctx *pulumi.Context, name string) error {
	_, err := ec2.NewNetworkAcl(ctx, name+"-data", &ec2.NetworkAclArgs{
		VpcId:     n.VPCID,
		SubnetIds: n.DataSubnetIDs,
		Ingress: ec2.NetworkAclIngressArray{&ec2.NetworkAclIngressArgs{
			RuleNo: pulumi.Int(100), Action: pulumi.String("allow"), Protocol: pulumi.String("tcp"),
			CidrBlock: pulumi.String(n.CIDR), FromPort: pulumi.Int(0), ToPort: pulumi.Int(65535),
		}},
		Egress: ec2.NetworkAclEgressArray{&ec2.NetworkAclEgressArgs{
			RuleNo: pulumi.Int(100), Action: pulumi.String("allow"), Protocol: pulumi.String("tcp"),
			CidrBlock: pulumi.String(n.CIDR), FromPort: pulumi.Int(0), ToPort: pulumi.Int(65535),
		}},
		Tags: named(name + "-data"),
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("network ACL of the data subnets: %w", err)
	}
	return nil
}
