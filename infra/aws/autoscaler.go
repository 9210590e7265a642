package aws

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// clusterAutoscaler is how a spec asks for Cluster Autoscaler.
const clusterAutoscaler = "cluster-autoscaler"

// autoscalerEnabledTag is on every group that any Cluster Autoscaler may size.
const autoscalerEnabledTag = "k8s.io/cluster-autoscaler/enabled"

// autoscalerOwnedTag is on the groups of one cluster.
func autoscalerOwnedTag(cluster string) string { return "k8s.io/cluster-autoscaler/" + cluster }

// nodeScaling tells Cluster Autoscaler how to find this cluster's groups.
func nodeScaling(spec platform.Spec) platform.NodeScaling {
	if spec.Cluster.NodeAutoscaler != clusterAutoscaler {
		return platform.NodeScaling{Kind: "none"}
	}
	return platform.NodeScaling{
		Kind: clusterAutoscaler,
		Args: pulumi.StringMap{
			"cloud-provider": pulumi.String("aws"),
			"node-group-auto-discovery": pulumi.String(fmt.Sprintf("asg:tag=%s,%s",
				autoscalerEnabledTag, autoscalerOwnedTag(physicalName(spec)))),
		},
	}
}

// scaleNodes is what Cluster Autoscaler needs: to see groups and prices of
// machines, which cannot be narrowed, and to size the groups of this cluster.
func scaleNodes(args IdentityArgs) []statement {
	cluster := physicalName(args.Spec)
	return []statement{
		{
			Sid: "SeeGroups", Effect: allow,
			Action: []string{
				"autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
				"autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities", "autoscaling:DescribeTags",
				"ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions", "ec2:GetInstanceTypesFromInstanceRequirements",
			},
			Resource: []string{"*"},
		},
		{
			Sid: "SizeGroups", Effect: allow,
			Action:    []string{"autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"},
			Resource:  []string{args.Account.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")},
			Condition: conditions{"StringEquals": {"aws:ResourceTag/" + autoscalerOwnedTag(cluster): {"owned"}}},
		},
		{
			Sid: "SeeNodes", Effect: allow,
			Action:   []string{"eks:DescribeNodegroup"},
			Resource: []string{args.Account.arn("eks", "nodegroup/"+cluster+"/*")},
		},
	}
}
