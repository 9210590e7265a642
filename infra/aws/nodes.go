package aws

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/autoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	poolLabel    = "trivet.dev/pool" // of nodes: which group they are of
	systemPool   = "system"
	workloadPool = "workload"
	systemTaint  = "CriticalAddonsOnly" // of the system's nodes
)

// addNodes makes both groups. They wait for the add-ons that a node becomes
// ready with, and for the way to the images that it starts.
func (c *Cluster) addNodes(ctx *pulumi.Context, name string, args ClusterArgs, after []pulumi.Resource) ([]pulumi.Resource, error) {
	role, rights, err := c.addNodeRole(ctx, name, args)
	if err != nil {
		return nil, err
	}
	after = slices.Concat(after, rights, args.Network.Routes)
	var groups []pulumi.Resource
	for _, pool := range []struct {
		name string
		spec platform.NodeGroup
	}{
		{systemPool, args.Spec.Cluster.System},
		{workloadPool, args.Spec.Cluster.Workload},
	} {
		group, err := c.addNodeGroup(ctx, fmt.Sprintf("%s-%s", name, pool.name), pool.name, pool.spec, role, args, after)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// addNodeRole makes the role of the machines: join the cluster and pull
// images. What runs on them has roles of its own.
func (c *Cluster) addNodeRole(ctx *pulumi.Context, name string, args ClusterArgs) (*iam.Role, []pulumi.Resource, error) {
	role, err := iam.NewRole(ctx, name+"-nodes", &iam.RoleArgs{
		Description: pulumi.String("The nodes of " + physicalName(args.Spec)),
		AssumeRolePolicy: pulumi.String(policy(statement{
			Effect: allow, Principal: service("ec2.amazonaws.com"), Action: []string{"sts:AssumeRole"},
		})),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, nil, fmt.Errorf("role of nodes: %w", err)
	}
	var rights []pulumi.Resource
	for _, right := range []struct{ name, policy string }{
		{"join", "AmazonEKSWorkerNodePolicy"},
		{"pull", "AmazonEC2ContainerRegistryPullOnly"},
	} {
		attachment, err := iam.NewRolePolicyAttachment(ctx, fmt.Sprintf("%s-nodes-%s", name, right.name), &iam.RolePolicyAttachmentArgs{
			Role:      role.Name,
			PolicyArn: pulumi.String(args.Account.managedPolicy(right.policy)),
		}, pulumi.Parent(c))
		if err != nil {
			return nil, nil, fmt.Errorf("right of nodes to %s: %w", right.name, err)
		}
		rights = append(rights, attachment)
	}
	return role, rights, nil
}

// addNodeGroup makes one group of machines over the zones.
func (c *Cluster) addNodeGroup(ctx *pulumi.Context, name, pool string, spec platform.NodeGroup, role *iam.Role, args ClusterArgs, after []pulumi.Resource) (*eks.NodeGroup, error) {
	image, err := imageType(spec.InstanceTypes)
	if err != nil {
		return nil, fmt.Errorf("nodes %s: %w", pool, err)
	}
	template, err := c.addLaunchTemplate(ctx, name, pool, spec, args)
	if err != nil {
		return nil, err
	}
	capacity := "ON_DEMAND"
	if spec.Spot {
		capacity = "SPOT"
	}
	group, err := eks.NewNodeGroup(ctx, name, &eks.NodeGroupArgs{
		ClusterName:   c.Name,
		NodeRoleArn:   role.Arn,
		SubnetIds:     args.Network.PrivateSubnetIDs[:args.Network.Spread],
		Version:       pulumi.String(args.Spec.Cluster.Version),
		AmiType:       pulumi.String(image),
		InstanceTypes: pulumi.ToStringArray(spec.InstanceTypes),
		CapacityType:  pulumi.String(capacity),
		Labels:        pulumi.StringMap{poolLabel: pulumi.String(pool)},
		Taints:        taintsOf(pool),
		LaunchTemplate: &eks.NodeGroupLaunchTemplateArgs{
			Id:      template.ID(),
			Version: template.LatestVersion.ApplyT(strconv.Itoa).(pulumi.StringOutput),
		},
		ScalingConfig: &eks.NodeGroupScalingConfigArgs{
			MinSize:     pulumi.Int(spec.Min),
			MaxSize:     pulumi.Int(spec.Max),
			DesiredSize: pulumi.Int(spec.Min),
		},
		// One third at a time is one zone's worth: the disruption budgets of the
		// services hold during an upgrade.
		UpdateConfig:     &eks.NodeGroupUpdateConfigArgs{MaxUnavailablePercentage: pulumi.Int(33)},
		NodeRepairConfig: &eks.NodeGroupNodeRepairConfigArgs{Enabled: pulumi.Bool(true)},
		Tags:             named(physicalName(args.Spec) + "-" + pool),
	}, pulumi.Parent(c), pulumi.DependsOn(after),
		// How many there are is the autoscaler's to say, not the next deployment's.
		pulumi.IgnoreChanges([]string{"scalingConfig.desiredSize"}))
	if err != nil {
		return nil, fmt.Errorf("nodes %s: %w", pool, err)
	}
	scaling := group.Resources.ApplyT(autoscalingGroup).(pulumi.StringOutput)
	c.NodeGroupASGNames = append(c.NodeGroupASGNames, scaling)
	return group, c.addAutoscalerTags(ctx, name, scaling, args.Spec)
}

// taintsOf keeps services away from the system's nodes, so that none can take
// the memory of what the whole cluster needs. The taint is the one that such
// parts of Kubernetes put up with.
func taintsOf(pool string) eks.NodeGroupTaintArray {
	if pool != systemPool {
		return nil
	}
	return eks.NodeGroupTaintArray{&eks.NodeGroupTaintArgs{
		Key: pulumi.String(systemTaint), Value: pulumi.String("true"), Effect: pulumi.String("NO_SCHEDULE"),
	}}
}

// autoscalingGroup is the name of the group that EKS made for a node group.
func autoscalingGroup(resources []eks.NodeGroupResource) (string, error) {
	for _, resource := range resources {
		for _, group := range resource.AutoscalingGroups {
			if group.Name != nil {
				return *group.Name, nil
			}
		}
	}
	return "", fmt.Errorf("EKS names no autoscaling group of the nodes")
}

// addLaunchTemplate says what each machine of a group looks like.
func (c *Cluster) addLaunchTemplate(ctx *pulumi.Context, name, pool string, spec platform.NodeGroup, args ClusterArgs) (*ec2.LaunchTemplate, error) {
	// What a group starts is not tagged by the provider.
	tags := stackTags(args.Spec)
	tags["Name"] = physicalName(args.Spec) + "-" + pool
	var tagged ec2.LaunchTemplateTagSpecificationArray
	for _, kind := range []string{"instance", "volume", "network-interface"} {
		tagged = append(tagged, &ec2.LaunchTemplateTagSpecificationArgs{
			ResourceType: pulumi.String(kind),
			Tags:         pulumi.ToStringMap(tags),
		})
	}
	template, err := ec2.NewLaunchTemplate(ctx, name, &ec2.LaunchTemplateArgs{
		Description: pulumi.String("Nodes of " + physicalName(args.Spec) + " for " + pool),
		// A token is asked for, and its answer does not reach beyond the machine
		// itself: a pod that can be made to fetch a URL cannot fetch the node's
		// credentials (CKV_AWS_79, CKV_AWS_341).
		MetadataOptions: &ec2.LaunchTemplateMetadataOptionsArgs{
			HttpEndpoint:            pulumi.String("enabled"),
			HttpTokens:              pulumi.String("required"),
			HttpPutResponseHopLimit: pulumi.Int(1),
			InstanceMetadataTags:    pulumi.String("disabled"),
		},
		// The key is the account's own for volumes: a customer's key would have
		// to let in a role of autoscaling that no new account has yet. Nothing
		// but images and scratch space is on these disks.
		BlockDeviceMappings: ec2.LaunchTemplateBlockDeviceMappingArray{&ec2.LaunchTemplateBlockDeviceMappingArgs{
			DeviceName: pulumi.String("/dev/xvda"),
			Ebs: &ec2.LaunchTemplateBlockDeviceMappingEbsArgs{
				VolumeType:          pulumi.String("gp3"),
				VolumeSize:          pulumi.Int(spec.DiskGB),
				Encrypted:           pulumi.String("true"),
				DeleteOnTermination: pulumi.String("true"),
			},
		}},
		// The group of EKS's own is what nodes and control plane talk through; a
		// template that names groups has to name it.
		VpcSecurityGroupIds: pulumi.StringArray{
			c.Control.VpcConfig.ClusterSecurityGroupId().Elem(),
			c.NodeSecurityGroupID,
		},
		UserData:             pulumi.String(base64.StdEncoding.EncodeToString([]byte(nodeConfig(maxPods(spec.InstanceTypes))))),
		TagSpecifications:    tagged,
		UpdateDefaultVersion: pulumi.Bool(true),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("launch template of %s: %w", pool, err)
	}
	return template, nil
}

// addAutoscalerTags mark a group as one that Cluster Autoscaler may size.
func (c *Cluster) addAutoscalerTags(ctx *pulumi.Context, name string, group pulumi.StringInput, spec platform.Spec) error {
	if spec.Cluster.NodeAutoscaler != clusterAutoscaler {
		return nil
	}
	for _, tag := range []struct{ name, key, value string }{
		{"enabled", autoscalerEnabledTag, "true"},
		{"owned", autoscalerOwnedTag(physicalName(spec)), "owned"},
	} {
		if _, err := autoscaling.NewTag(ctx, fmt.Sprintf("%s-autoscaler-%s", name, tag.name), &autoscaling.TagArgs{
			AutoscalingGroupName: group,
			Tag: &autoscaling.TagTagArgs{
				Key:               pulumi.String(tag.key),
				Value:             pulumi.String(tag.value),
				PropagateAtLaunch: pulumi.Bool(false),
			},
		}, pulumi.Parent(c)); err != nil {
			return fmt.Errorf("tag %s of %s: %w", tag.key, name, err)
		}
	}
	return nil
}

// arm matches instance types with AWS's own processors: a g behind the
// generation, as in m7g or c6gn, and unlike g5, where it is the family.
var arm = regexp.MustCompile(`^[a-z]+[0-9]+g[a-z]*\.`)

// imageType is what EKS calls the operating system's image for instance types.
func imageType(types []string) (string, error) {
	if len(types) == 0 {
		return "", fmt.Errorf("no instance type")
	}
	onARM := arm.MatchString(types[0])
	for _, other := range types[1:] {
		if arm.MatchString(other) != onARM {
			return "", fmt.Errorf("%s and %s have different processors", types[0], other)
		}
	}
	if onARM {
		return "AL2023_ARM_64_STANDARD", nil
	}
	return "AL2023_x86_64_STANDARD", nil
}

// maxPods is for how many pods a node of these types sets itself up. Addresses
// are no limit, as the network add-on hands out whole prefixes; but the kubelet
// keeps 11 MiB for every pod that could come, which on a small machine is most
// of its memory if each may have the usual 110.
func maxPods(types []string) int {
	smallest := 110
	for _, instance := range types {
		_, size, _ := strings.Cut(instance, ".")
		pods := 110
		switch size {
		case "nano", "micro", "small":
			pods = 20
		case "medium":
			pods = 35
		case "large":
			pods = 58
		}
		smallest = min(smallest, pods)
	}
	return smallest
}

// nodeConfig is the user data that EKS puts in front of its own.
func nodeConfig(maxPods int) string {
	return fmt.Sprintf(`MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="//"

--//
Content-Type: application/node.eks.aws

apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config:
      maxPods: %d

--//--
`, maxPods)
}

// processorsOf is how many virtual processors an instance type has, which its
// size says: two up to large, four for xlarge, and four for each of the x after
// that. One that says something else, such as metal, counts as none.
func processorsOf(instance string) int {
	_, size, _ := strings.Cut(instance, ".")
	switch size {
	case "nano", "micro", "small", "medium", "large":
		return 2
	case "xlarge":
		return 4
	}
	times, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge"))
	if err != nil {
		return 0
	}
	return 4 * times
}
