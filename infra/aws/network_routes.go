package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

const everywhere = "0.0.0.0/0"

// addRoutes makes the route tables and gives their ids. Public subnets share
// one that leads to the internet, data subnets one that leads nowhere, and each
// private subnet has its own, so that it can leave by the NAT of its zone.
func (n *Network) addRoutes(ctx *pulumi.Context, name string, spec platform.Spec) (pulumi.StringArray, error) {
	gateway, err := ec2.NewInternetGateway(ctx, name+"-internet", &ec2.InternetGatewayArgs{
		VpcId: n.VPCID,
		Tags:  named(physicalName(spec)),
	}, pulumi.Parent(n))
	if err != nil {
		return nil, fmt.Errorf("internet gateway: %w", err)
	}
	public, err := n.addRouteTable(ctx, name+"-public", n.PublicSubnetIDs)
	if err != nil {
		return nil, err
	}
	out, err := ec2.NewRoute(ctx, name+"-public", &ec2.RouteArgs{
		RouteTableId:         public,
		DestinationCidrBlock: pulumi.String(everywhere),
		GatewayId:            gateway.ID(),
	}, pulumi.Parent(n))
	if err != nil {
		return nil, fmt.Errorf("route to the internet: %w", err)
	}
	n.Routes = append(n.Routes, out)

	gateways, err := n.addNATs(ctx, name, spec, gateway)
	if err != nil {
		return nil, err
	}
	tables := pulumi.StringArray{public}
	for i, subnet := range n.PrivateSubnetIDs {
		tableName := fmt.Sprintf("%s-private-%d", name, i+1)
		table, err := n.addRouteTable(ctx, tableName, pulumi.StringArray{subnet})
		if err != nil {
			return nil, err
		}
		nat := gateways[min(i, len(gateways)-1)]
		route, err := ec2.NewRoute(ctx, tableName, &ec2.RouteArgs{
			RouteTableId:         table,
			DestinationCidrBlock: pulumi.String(everywhere),
			NatGatewayId:         nat.ID(),
		}, pulumi.Parent(n))
		if err != nil {
			return nil, fmt.Errorf("route %s to NAT: %w", tableName, err)
		}
		n.Routes = append(n.Routes, route)
		tables = append(tables, table)
	}

	data, err := n.addRouteTable(ctx, name+"-data", n.DataSubnetIDs)
	if err != nil {
		return nil, err
	}
	return append(tables, data), nil
}

// addNATs makes one NAT for all zones, or one for each, so that the loss of a
// zone takes nobody else's way out and no traffic is charged between zones.
func (n *Network) addNATs(ctx *pulumi.Context, name string, spec platform.Spec, gateway *ec2.InternetGateway) ([]*ec2.NatGateway, error) {
	count := 1
	if spec.Network.NATPerZone {
		count = n.Spread
	}
	var gateways []*ec2.NatGateway
	for i := range count {
		natName := fmt.Sprintf("%s-nat-%d", name, i+1)
		tags := named(fmt.Sprintf("%s-nat-%s", physicalName(spec), n.Zones[i]))
		// Others let this address through their own firewalls, so it is kept.
		address, err := ec2.NewEip(ctx, natName, &ec2.EipArgs{
			Domain: pulumi.String("vpc"),
			Tags:   tags,
		}, pulumi.Parent(n))
		if err != nil {
			return nil, fmt.Errorf("address of %s: %w", natName, err)
		}
		nat, err := ec2.NewNatGateway(ctx, natName, &ec2.NatGatewayArgs{
			AllocationId: address.AllocationId,
			SubnetId:     n.PublicSubnetIDs[i],
			Tags:         tags,
		}, pulumi.Parent(n), pulumi.DependsOn([]pulumi.Resource{gateway})) // a NAT without a way out fails to start
		if err != nil {
			return nil, fmt.Errorf("%s: %w", natName, err)
		}
		gateways = append(gateways, nat)
		n.NATGatewayIDs = append(n.NATGatewayIDs, nat.ID().ToStringOutput())
	}
	return gateways, nil
}

// addRouteTable makes a route table for subnets and gives its id.
func (n *Network) addRouteTable(ctx *pulumi.Context, name string, subnets pulumi.StringArray) (pulumi.StringOutput, error) {
	table, err := ec2.NewRouteTable(ctx, name, &ec2.RouteTableArgs{
		VpcId: n.VPCID,
		Tags:  named(name),
	}, pulumi.Parent(n))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("route table %s: %w", name, err)
	}
	id := table.ID().ToStringOutput()
	for i, subnet := range subnets {
		associationName := name
		if len(subnets) > 1 {
			associationName = fmt.Sprintf("%s-%d", name, i+1)
		}
		association, err := ec2.NewRouteTableAssociation(ctx, associationName, &ec2.RouteTableAssociationArgs{
			RouteTableId: id,
			SubnetId:     subnet,
		}, pulumi.Parent(n))
		if err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("association %s: %w", associationName, err)
		}
		n.Routes = append(n.Routes, association)
	}
	return id, nil
}
