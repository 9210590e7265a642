package guardrails

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	vpcType         = "aws:ec2/vpc:Vpc"
	subnetType      = "aws:ec2/subnet:Subnet"
	endpointType    = "aws:ec2/vpcEndpoint:VpcEndpoint"
	natType         = "aws:ec2/natGateway:NatGateway"
	ingressRuleType = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	groupType       = "aws:ec2/securityGroup:SecurityGroup"
)

var networkRules = []Rule{
	{
		Name:   "network-flow-logs",
		Reason: "without a record of connections nobody can tell how an intruder moved",
		IDs:    []string{"CKV2_AWS_11", "AVD-AWS-0178", "EC2.6"},
		Fix:    "pulumi config set --path trivet:network.flowLogs true",
		Check:  companion(vpcType, "aws:ec2/flowLog:FlowLog", "vpcId", is("trafficType", "ALL")),
	},
	{
		Name:   "network-default-group-closed",
		Reason: "whatever is started without a security group gets the default one",
		IDs:    []string{"CKV2_AWS_12", "AVD-AWS-0173", "EC2.2"},
		Fix:    "remove the ingress and egress of the VPC's DefaultSecurityGroup",
		Check:  companion(vpcType, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "vpcId", absent("ingress"), absent("egress")),
	},
	{
		Name:   "network-ports-closed",
		Reason: "an administrative port that is open to everybody is found within minutes",
		IDs:    []string{"CKV_AWS_24", "CKV_AWS_25", "CKV_AWS_260", "AVD-AWS-0107", "EC2.13", "EC2.14"},
		Fix:    "pulumi config set --path 'trivet:edge.allowCIDRs[0]' 203.0.113.0/24",
		Check:  each([]string{ingressRuleType, groupType}, onlyWebIsOpen),
	},
	{
		Name:   "subnets-without-public-addresses",
		Reason: "a machine with a public address can be reached as soon as one group is wrong",
		IDs:    []string{"CKV_AWS_130", "AVD-AWS-0164", "EC2.15"},
		Fix:    "set mapPublicIpOnLaunch of the subnet to false",
		Check:  each([]string{subnetType}, off("mapPublicIpOnLaunch")),
	},
	{
		Name:       "network-private-endpoints",
		Reason:     "images, tokens and logs would leave the network, and stop with its way out",
		IDs:        []string{"EC2.10", "EC2.55", "EC2.56"},
		Fix:        `pulumi config set --path 'trivet:network.privateEndpoints[0]' ecr.api`,
		Production: true,
		Check:      whole(endpointsExist),
	},
	{
		Name:       "network-nat-per-zone",
		Reason:     "with one NAT, the loss of its zone takes every zone's way out",
		IDs:        []string{"REL10-BP01"},
		Fix:        "pulumi config set --path trivet:network.natPerZone true",
		Production: true,
		Check:      whole(natPerZone),
	},
}

// everybody are the ranges of all addresses.
var everybody = []string{"0.0.0.0/0", "::/0"}

// open tells whether a range, or a list of them, is everybody.
func open(ranges graph.Value) bool {
	return slices.ContainsFunc(ranges.List(), func(r graph.Value) bool { return slices.Contains(everybody, r.Text()) })
}

// onlyWebIsOpen lets everybody reach ports 80 and 443 and no others.
func onlyWebIsOpen(r graph.Resource) string {
	rules := []graph.Value{graph.Of(r.Inputs)}
	if r.Type == groupType {
		rules = r.Input("ingress").List()
	}
	for _, rule := range rules {
		sources := append(rule.Field("cidrBlocks").List(), rule.Field("ipv6CidrBlocks").List()...)
		sources = append(sources, rule.Field("cidrIpv4"), rule.Field("cidrIpv6"))
		if !slices.ContainsFunc(sources, open) {
			continue
		}
		from, to := rule.Field("fromPort"), rule.Field("toPort")
		if web := from.Raw() == to.Raw() && (from.Is(443.0) || from.Is(80.0)); !web {
			return fmt.Sprintf("everybody may reach ports %s to %s", shown(from), shown(to))
		}
	}
	return ""
}

// wantedEndpoints are what nodes and pods cannot do without.
var wantedEndpoints = []string{"s3", "ecr.api", "ecr.dkr", "sts", "logs"}

func endpointsExist(g graph.Graph) []Finding {
	var findings []Finding
	for _, vpc := range g.Of(vpcType) {
		endpoints := g.Referring(endpointType, "vpcId", vpc)
		for _, service := range wantedEndpoints {
			if !slices.ContainsFunc(endpoints, func(r graph.Resource) bool {
				name := r.Input("serviceName")
				return name.Hidden() || strings.HasSuffix(name.Text(), "."+service)
			}) {
				findings = append(findings, Finding{vpc.URN, "there is no endpoint of " + service})
			}
		}
	}
	return findings
}

func natPerZone(g graph.Graph) []Finding {
	var findings []Finding
	for _, vpc := range g.Of(vpcType) {
		zones := map[string]bool{}
		for _, subnet := range g.Referring(subnetType, "vpcId", vpc) {
			zones[subnet.Input("availabilityZone").Text()] = true
		}
		homes := map[string]bool{}
		for _, nat := range g.Of(natType) {
			homes[strings.Join(nat.References["subnetId"], " ")] = true
		}
		if len(homes) < len(zones) {
			findings = append(findings, Finding{vpc.URN, fmt.Sprintf("there are NATs in %d of %d zones", len(homes), len(zones))})
		}
	}
	return findings
}
