package aws

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestSubnetsOfAZoneStayWhenZonesAreAdded(t *testing.T) {
	t.Parallel()
	for _, cidr := range []string{"10.20.0.0/16", "192.168.128.0/18", "172.16.16.0/20"} {
		one, err := planSubnets(cidr, 1)
		if err != nil {
			t.Fatal(err)
		}
		three, err := planSubnets(cidr, 3)
		if err != nil {
			t.Fatal(err)
		}
		for kind, pair := range map[string][2][]string{
			"public": {one.Public, three.Public}, "private": {one.Private, three.Private}, "data": {one.Data, three.Data},
		} {
			if pair[0][0] != pair[1][0] {
				t.Errorf("%s: the %s subnet of the first zone moved from %s to %s", cidr, kind, pair[0][0], pair[1][0])
			}
		}
	}
}

func TestSubnetsLieApartWithinTheNetwork(t *testing.T) {
	t.Parallel()
	for _, cidr := range []string{"10.20.0.0/16", "10.96.0.0/17", "172.16.16.0/20"} {
		plan, err := planSubnets(cidr, 3)
		if err != nil {
			t.Fatal(err)
		}
		network := netip.MustParsePrefix(cidr)
		var seen []netip.Prefix
		for _, text := range slices.Concat(plan.Public, plan.Private, plan.Data) {
			subnet := netip.MustParsePrefix(text)
			if !network.Overlaps(subnet) || subnet.Bits() <= network.Bits() || subnet != subnet.Masked() {
				t.Errorf("%s is no part of %s", subnet, network)
			}
			// A balancer asks for a /27 at least.
			if subnet.Bits() > 27 {
				t.Errorf("%s is too small", subnet)
			}
			for _, other := range seen {
				if subnet.Overlaps(other) {
					t.Errorf("%s overlaps %s", subnet, other)
				}
			}
			seen = append(seen, subnet)
		}
	}
	plan, err := planSubnets("10.20.0.0/16", 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(plan), "{[10.20.192.0/22 10.20.196.0/22] [10.20.0.0/18 10.20.64.0/18] [10.20.208.0/22 10.20.212.0/22]}"; got != want {
		t.Errorf("the plan is %s, want %s", got, want)
	}
}

func TestNetworksThatCannotBeDividedAreRefused(t *testing.T) {
	t.Parallel()
	for cidr, zones := range map[string]int{
		"10.20.0.0/15": 3, "10.20.0.0/21": 3, "10.20.1.0/16": 3, "fd00::/16": 3, "10.20.0.0": 3, "": 3, "10.20.0.0/16": 4, "10.30.0.0/16": 0,
	} {
		if plan, err := planSubnets(cidr, zones); err == nil {
			t.Errorf("%q for %d zones was divided into %v", cidr, zones, plan)
		}
	}
}

func TestDevelopmentHasOneWayOut(t *testing.T) {
	t.Parallel()
	made := deploy(t, devSpec())
	// The control plane, the balancer and the database all want two zones, which
	// cost nothing while nothing is in the second.
	for _, subnet := range made.of("aws:ec2/subnet:Subnet") {
		subnet.want(t, map[string]any{"mapPublicIpOnLaunch": false})
	}
	if n := len(made.of("aws:ec2/subnet:Subnet")); n != 6 {
		t.Errorf("there are %d subnets, want 6", n)
	}
	if n := len(made.of("aws:ec2/natGateway:NatGateway")); n != 1 {
		t.Errorf("there are %d NATs, want 1", n)
	}
	for _, name := range []string{"trivet-network-private-1", "trivet-network-private-2"} {
		made.the(t, "aws:ec2/route:Route", name).want(t, map[string]any{"natGatewayId": "trivet-network-nat-1-id"})
	}
	for _, kind := range []string{"aws:ec2/flowLog:FlowLog"} {
		if found := made.of(kind); len(found) != 0 {
			t.Errorf("there are %v", names(found))
		}
	}
}

func TestProductionLeavesByTheNATOfEachZone(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for i, zone := range []string{"eu-central-1a", "eu-central-1b", "eu-central-1c"} {
		n := fmt.Sprint(i + 1)
		made.the(t, "aws:ec2/subnet:Subnet", "trivet-network-private-"+n).want(t, map[string]any{"availabilityZone": zone})
		made.the(t, "aws:ec2/natGateway:NatGateway", "trivet-network-nat-"+n).want(t, map[string]any{"subnetId": "trivet-network-public-" + n + "-id"})
		made.the(t, "aws:ec2/route:Route", "trivet-network-private-"+n).want(t, map[string]any{
			"destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "trivet-network-nat-" + n + "-id", "routeTableId": "trivet-network-private-" + n + "-id",
		})
	}
	made.the(t, "aws:ec2/flowLog:FlowLog", "trivet-network-flows").want(t, map[string]any{
		"trafficType": "ALL", "logDestination": "arn:aws:aws:cloudwatch/logGroup:LogGroup:trivet-network-flows",
	})
}

func TestDataSubnetsKnowNoWayOut(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, route := range made.of("aws:ec2/route:Route") {
		if route.input("routeTableId") == "trivet-network-data-id" {
			t.Errorf("%s leads out of the data subnets", route.urn())
		}
	}
	associated := 0
	for _, association := range made.of("aws:ec2/routeTableAssociation:RouteTableAssociation") {
		if association.input("routeTableId") == "trivet-network-data-id" {
			associated++
		}
	}
	if associated != 3 {
		t.Errorf("%d data subnets have the table without routes, want 3", associated)
	}
	acl := made.the(t, "aws:ec2/networkAcl:NetworkAcl", "trivet-network-data")
	acl.want(t, map[string]any{
		"subnetIds":            []string{"trivet-network-data-1-id", "trivet-network-data-2-id", "trivet-network-data-3-id"},
		"ingress[0].cidrBlock": "10.20.0.0/16", "egress[0].cidrBlock": "10.20.0.0/16", "ingress[1]": nil, "egress[1]": nil,
	})
}

func TestTheDefaultGroupIsClosed(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	closed := made.the(t, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "trivet-network-closed")
	closed.want(t, map[string]any{"vpcId": "trivet-network-vpc-id", "ingress": nil, "egress": nil})
}

// TestOnlyTheBalancerIsOpenToEverybody looks at every rule of every tier.
func TestOnlyTheBalancerIsOpenToEverybody(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		for _, rule := range made.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
			if rule.input("cidrIpv4") == everywhere && !strings.HasPrefix(rule.name, "trivet-edge-balancer-") {
				t.Errorf("%s: %s lets everybody in", name, rule.urn())
			}
		}
		for _, group := range made.of("aws:ec2/securityGroup:SecurityGroup") {
			group.want(t, map[string]any{"ingress": nil, "egress": nil}) // rules are resources of their own
		}
	}
}

func TestServicesOfAWSAreReachedWithinTheNetwork(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	endpoints := map[string]registered{}
	for _, endpoint := range made.of("aws:ec2/vpcEndpoint:VpcEndpoint") {
		endpoints[endpoint.input("serviceName").(string)] = endpoint
	}
	for _, service := range []string{"s3", "ecr.api", "ecr.dkr", "sts", "logs", "secretsmanager", "eks-auth"} {
		if _, ok := endpoints["com.amazonaws.eu-central-1."+service]; !ok {
			t.Errorf("there is no endpoint of %s", service)
		}
	}
	endpoints["com.amazonaws.eu-central-1.s3"].want(t, map[string]any{
		"vpcEndpointType": "Gateway", "routeTableIds": []string{
			"trivet-network-public-id", "trivet-network-private-1-id", "trivet-network-private-2-id", "trivet-network-private-3-id", "trivet-network-data-id",
		},
	})
	endpoints["com.amazonaws.eu-central-1.ecr.api"].want(t, map[string]any{
		"vpcEndpointType": "Interface", "privateDnsEnabled": true, "securityGroupIds": []string{"trivet-network-endpoints-id"},
		"subnetIds": []string{"trivet-network-private-1-id", "trivet-network-private-2-id", "trivet-network-private-3-id"},
	})
}

// TestDataCannotLeaveForAnotherAccount reads the endpoints' policies: what can
// be written goes to this account's buckets, by this account's identities.
func TestDataCannotLeaveForAnotherAccount(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, endpoint := range made.of("aws:ec2/vpcEndpoint:VpcEndpoint") {
		for _, statement := range endpoint.policy(t, "policy") {
			reads := !slices.ContainsFunc(statement.Action, func(action string) bool { return !strings.HasPrefix(action, "s3:Get") })
			own := statement.Condition["StringEquals"]
			if !reads && !slices.Equal(own["aws:ResourceAccount"], []string{"123456789012"}) && !slices.Equal(own["aws:PrincipalAccount"], []string{"123456789012"}) {
				t.Errorf("%s: %v", endpoint.urn(), statement)
			}
		}
	}
}

// TestNodesAndBalancerWaitForTheirWayOut: a node that finds no registry, and a
// balancer in a network without a gateway, fail after minutes.
func TestNodesAndBalancerWaitForTheirWayOut(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, waits := range []registered{
		made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-system"),
		made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-workload"),
		made.the(t, "aws:lb/loadBalancer:LoadBalancer", "trivet-edge"),
	} {
		for _, kind := range []string{"aws:ec2/route:Route", "aws:ec2/routeTableAssociation:RouteTableAssociation"} {
			for _, way := range made.of(kind) {
				if !slices.ContainsFunc(waits.after, func(urn string) bool { return strings.HasSuffix(urn, way.urn()) }) {
					t.Errorf("%s does not wait for %s", waits.urn(), way.urn())
				}
			}
		}
	}
	for _, addon := range []string{"network", "proxy", "pods"} { // without which a node is never ready
		want := "aws:eks/addon:Addon::trivet-cluster-" + addon
		if nodes := made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-system"); !slices.ContainsFunc(nodes.after, func(urn string) bool { return strings.HasSuffix(urn, want) }) {
			t.Errorf("nodes do not wait for %s", want)
		}
	}
	for _, addon := range []string{"dns", "volumes", "signals", "secrets", "metrics"} { // which need a node
		if r := made.the(t, "aws:eks/addon:Addon", "trivet-cluster-"+addon); !slices.ContainsFunc(r.after, func(urn string) bool {
			return strings.HasSuffix(urn, "aws:eks/nodeGroup:NodeGroup::trivet-cluster-system")
		}) {
			t.Errorf("%s does not wait for nodes", r.urn())
		}
	}
}

func TestSubnetsAreInTwoZonesAtLeast(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]int{"dev": 2, "staging": 2, "prod": 3} {
		if got := subnetZones(everySpec()[spec]); got != want {
			t.Errorf("%s: there are subnets in %d zones, want %d", spec, got, want)
		}
	}
	in := &account{answers: map[string]func(resource.PropertyMap) (resource.PropertyMap, error){
		"aws:index/getAvailabilityZones:getAvailabilityZones": answering(map[string]any{"names": []any{"eu-central-1a"}}),
	}}
	if err := run(devSpec(), in, false, provision).err; err == nil || !strings.Contains(err.Error(), "has 1 usable availability zones, want 2") {
		t.Errorf("a region with one zone: %v", err)
	}
}
