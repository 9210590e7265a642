package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// addEndpoints brings services of AWS into the network: S3 through route
// tables, which is free, and those that the spec names through an interface in
// each zone that things run in.
func (n *Network) addEndpoints(ctx *pulumi.Context, name string, args NetworkArgs, tables pulumi.StringArray) error {
	service := func(service string) pulumi.String {
		return pulumi.String(fmt.Sprintf("com.amazonaws.%s.%s", args.Spec.Region, service))
	}
	if _, err := ec2.NewVpcEndpoint(ctx, name+"-s3", &ec2.VpcEndpointArgs{
		VpcId:           n.VPCID,
		ServiceName:     service("s3"),
		VpcEndpointType: pulumi.String("Gateway"),
		RouteTableIds:   tables,
		Policy:          pulumi.String(bucketEndpointPolicy(args.Account)),
		Tags:            named(name + "-s3"),
	}, pulumi.Parent(n)); err != nil {
		return fmt.Errorf("endpoint of s3: %w", err)
	}
	if len(args.Spec.Network.PrivateEndpoints) == 0 {
		return nil
	}

	group, err := ec2.NewSecurityGroup(ctx, name+"-endpoints", &ec2.SecurityGroupArgs{
		VpcId:       n.VPCID,
		Description: pulumi.String("Services of AWS, for nodes and pods"),
		Tags:        named(physicalName(args.Spec) + "-endpoints"),
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("security group of endpoints: %w", err)
	}
	for i, cidr := range n.PrivateCIDRs {
		ruleName := fmt.Sprintf("%s-endpoints-%d", name, i+1)
		if _, err := vpc.NewSecurityGroupIngressRule(ctx, ruleName, &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: group.ID(),
			Description:     pulumi.String("HTTPS from the private subnet of " + n.Zones[i]),
			IpProtocol:      pulumi.String("tcp"),
			FromPort:        pulumi.Int(443),
			ToPort:          pulumi.Int(443),
			CidrIpv4:        pulumi.String(cidr),
		}, pulumi.Parent(n)); err != nil {
			return fmt.Errorf("rule %s: %w", ruleName, err)
		}
	}
	for _, endpoint := range args.Spec.Network.PrivateEndpoints {
		endpointName := name + "-" + strings.ReplaceAll(endpoint, ".", "-")
		if _, err := ec2.NewVpcEndpoint(ctx, endpointName, &ec2.VpcEndpointArgs{
			VpcId:             n.VPCID,
			ServiceName:       service(endpoint),
			VpcEndpointType:   pulumi.String("Interface"),
			SubnetIds:         n.PrivateSubnetIDs[:n.Spread],
			SecurityGroupIds:  pulumi.StringArray{group.ID()},
			PrivateDnsEnabled: pulumi.Bool(true),
			Policy:            pulumi.String(serviceEndpointPolicy(args.Account)),
			Tags:              named(endpointName),
		}, pulumi.Parent(n)); err != nil {
			return fmt.Errorf("endpoint of %s: %w", endpoint, err)
		}
	}
	return nil
}

// bucketEndpointPolicy lets anybody inside read any bucket that lets them, as
// layers of images and packages are read from buckets of others, and write to
// this account's alone: stolen data cannot leave for a bucket elsewhere.
func bucketEndpointPolicy(account Account) string {
	return policy(
		statement{
			Sid: "ReadAnyBucket", Effect: allow, Principal: anyone,
			Action: []string{"s3:GetObject", "s3:GetObjectVersion"}, Resource: []string{"*"},
		},
		statement{
			Sid: "UseOwnBuckets", Effect: allow, Principal: anyone,
			Action: []string{
				"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetBucketLocation", "s3:GetObjectAttributes", "s3:ListBucket",
				"s3:ListBucketMultipartUploads", "s3:ListBucketVersions", "s3:ListMultipartUploadParts", "s3:PutObject", "s3:PutObjectTagging",
			},
			Resource:  []string{"*"},
			Condition: conditions{"StringEquals": {"aws:ResourceAccount": {account.ID}}},
		},
	)
}

// serviceEndpointPolicy lets identities of this account through, and nobody
// who brought credentials of another one.
func serviceEndpointPolicy(account Account) string {
	return policy(statement{
		Sid: "OwnIdentities", Effect: allow, Principal: anyone,
		Action: []string{"*"}, Resource: []string{"*"},
		Condition: conditions{"StringEquals": {"aws:PrincipalAccount": {account.ID}}},
	})
}
