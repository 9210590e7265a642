package aws

import (
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

var network = map[string]standin.Kind{
	"aws:ec2/vpc:Vpc": {
		ID:      "vpc-{hex}",
		Replace: []string{"cidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ec2:{region}:{account}:vpc/{id}", "ownerId": "{account}",
			"defaultNetworkAclId": "acl-{hex:17:acl}", "defaultRouteTableId": "rtb-{hex:17:main}", "mainRouteTableId": "rtb-{hex:17:main}",
			"defaultSecurityGroupId": "sg-{hex:17:default}", "dhcpOptionsId": "dopt-{hex:17:dhcp}", "instanceTenancy": "default",
			"enableDnsSupport": true,
		},
	},
	"aws:ec2/subnet:Subnet": {
		ID:      "subnet-{hex}",
		Replace: []string{"vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId", "outpostArn", "ipv6Native"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ec2:{region}:{account}:subnet/{id}", "ownerId": "{account}",
			"availabilityZone": "{region}a", "privateDnsHostnameTypeOnLaunch": "ip-name", "ipv6CidrBlockAssociationId": "",
		},
		Refine: subnetWithinVPC,
	},
	"aws:ec2/internetGateway:InternetGateway": {
		ID:      "igw-{hex}",
		Outputs: map[string]any{"arn": "arn:{partition}:ec2:{region}:{account}:internet-gateway/{id}", "ownerId": "{account}"},
	},
	"aws:ec2/eip:Eip": {
		ID:      "eipalloc-{hex}",
		Replace: []string{"domain", "networkBorderGroup", "publicIpv4Pool"},
		Outputs: map[string]any{
			"allocationId": "{id}", "arn": "arn:{partition}:ec2:{region}:{account}:elastic-ip/{id}", "domain": "vpc",
			"publicIp": "203.0.113.7", "publicDns": "ec2-203-0-113-7.{region}.compute.{suffix}", "networkBorderGroup": "{region}",
		},
	},
	"aws:ec2/natGateway:NatGateway": {
		ID:      "nat-{hex}",
		Replace: []string{"allocationId", "connectivityType", "privateIp", "subnetId"},
		Outputs: map[string]any{
			"associationId": "eipassoc-{hex:17:association}", "networkInterfaceId": "eni-{hex:17:interface}",
			"privateIp": "10.0.0.10", "publicIp": "203.0.113.7",
		},
	},
	"aws:ec2/routeTable:RouteTable": {
		ID:      "rtb-{hex}",
		Replace: []string{"vpcId"},
		Outputs: map[string]any{"arn": "arn:{partition}:ec2:{region}:{account}:route-table/{id}", "ownerId": "{account}"},
	},
	"aws:ec2/route:Route": {
		ID:      "r-{.routeTableId}{hex:10}",
		Replace: []string{"routeTableId", "destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"},
		Outputs: map[string]any{"origin": "CreateRoute", "state": "active"},
	},
	"aws:ec2/routeTableAssociation:RouteTableAssociation": {
		ID: "rtbassoc-{hex}", Replace: []string{"subnetId", "gatewayId"},
	},
	"aws:ec2/securityGroup:SecurityGroup": {
		ID: "sg-{hex}", Naming: named(255), Replace: []string{"vpcId", "description", "namePrefix"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ec2:{region}:{account}:security-group/{id}", "ownerId": "{account}", "description": "Managed by Pulumi",
		},
	},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
		ID: "sg-{hex}", Replace: []string{"vpcId"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ec2:{region}:{account}:security-group/{id}", "ownerId": "{account}",
			"name": "default", "description": "default VPC security group",
		},
	},
	"aws:ec2/securityGroupRule:SecurityGroupRule": {
		ID: "sgrule-{hex:10}",
		Replace: []string{
			"securityGroupId", "type", "protocol", "fromPort", "toPort", "cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "self", "sourceSecurityGroupId",
		},
		Outputs: map[string]any{"securityGroupRuleId": "sgr-{hex}"},
	},
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": rule,
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":   rule,
	"aws:ec2/networkAcl:NetworkAcl": {
		ID: "acl-{hex}", Replace: []string{"vpcId"},
		Outputs: map[string]any{"arn": "arn:{partition}:ec2:{region}:{account}:network-acl/{id}", "ownerId": "{account}"},
	},
	"aws:ec2/networkAclRule:NetworkAclRule": {
		ID:      "nacl-{hex:10}",
		Replace: []string{"networkAclId", "ruleNumber", "egress", "protocol", "ruleAction", "cidrBlock", "fromPort", "toPort", "icmpType", "icmpCode"},
	},
	"aws:ec2/networkAclAssociation:NetworkAclAssociation":                       {ID: "aclassoc-{hex}", Replace: []string{"subnetId"}},
	"aws:ec2/defaultNetworkAcl:DefaultNetworkAcl":                               {ID: "acl-{hex}", Replace: []string{"defaultNetworkAclId"}},
	"aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation": {ID: "a-{hex:10}", Replace: []string{"routeTableId", "vpcEndpointId"}},
	"aws:ec2/vpcEndpoint:VpcEndpoint": {
		ID:      "vpce-{hex}",
		Replace: []string{"vpcId", "serviceName", "vpcEndpointType"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ec2:{region}:{account}:vpc-endpoint/{id}", "ownerId": "{account}", "state": "available",
			"prefixListId": "pl-{hex:8:prefix}", "vpcEndpointType": "Gateway", "policy": "{\"Statement\":[{\"Action\":\"*\",\"Effect\":\"Allow\",\"Principal\":\"*\",\"Resource\":\"*\"}],\"Version\":\"2008-10-17\"}",
			"dnsEntries": []any{map[string]any{"dnsName": "{id}-{hex:8}.{.serviceName}", "hostedZoneId": "Z{upper:13:zone}"}},
		},
	},
	"aws:ec2/flowLog:FlowLog": {
		ID: "fl-{hex}",
		Replace: []string{
			"deliverCrossAccountRole", "destinationOptions", "eniId", "iamRoleArn", "logDestination", "logDestinationType", "logFormat", "logGroupName",
			"maxAggregationInterval", "subnetId", "trafficType", "vpcId",
		},
		Outputs: map[string]any{"arn": "arn:{partition}:ec2:{region}:{account}:vpc-flow-log/{id}"},
	},
}

var rule = standin.Kind{
	ID:      "sgr-{hex}",
	Replace: []string{"securityGroupId"},
	Outputs: map[string]any{
		"arn": "arn:{partition}:ec2:{region}:{account}:security-group-rule/{id}", "securityGroupRuleId": "{id}",
	},
}

// subnetWithinVPC refuses what EC2 does: a range outside the network's, or one
// that another subnet has.
func subnetWithinVPC(s *standin.Simulation, o *standin.Object) error {
	own, err := prefixOf(o.Outputs["cidrBlock"])
	if err != nil {
		return nil //nolint:nilerr // one with IPv6 alone
	}
	for _, other := range s.Cloud.Objects() {
		theirs, err := prefixOf(other.Outputs["cidrBlock"])
		if err != nil {
			continue
		}
		switch {
		case other.Type == "aws:ec2/vpc:Vpc" && other.ID == text(o.Inputs["vpcId"]):
			if !theirs.Contains(own.Addr()) || own.Bits() < theirs.Bits() {
				return fmt.Errorf("InvalidSubnet.Range: the CIDR %s is invalid in %s, which has %s", own, other.ID, theirs)
			}
		case other.Type == o.Type && other.ID != o.ID && text(other.Inputs["vpcId"]) == text(o.Inputs["vpcId"]):
			if theirs.Overlaps(own) {
				return fmt.Errorf("InvalidSubnet.Conflict: the CIDR %s conflicts with %s of %s", own, theirs, other.ID)
			}
		}
	}
	return nil
}

func prefixOf(value resource.PropertyValue) (netip.Prefix, error) {
	return netip.ParsePrefix(text(value))
}

func text(value resource.PropertyValue) string {
	if value.IsString() {
		return value.StringValue()
	}
	return ""
}
