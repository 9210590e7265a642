package guardrails

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	nodeGroupType  = "aws:eks/nodeGroup:NodeGroup"
	templateType   = "aws:ec2/launchTemplate:LaunchTemplate"
	roleType       = "aws:iam/role:Role"
	attachmentType = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
	rolePolicyType = "aws:iam/rolePolicy:RolePolicy"
)

var nodeRules = []Rule{
	{
		Name:   "nodes-metadata-by-token",
		Reason: "a request forged through a pod would be answered with the node's credentials",
		IDs:    []string{"CKV_AWS_79", "AVD-AWS-0130", "EC2.8", "EC2.170"},
		Fix:    "set metadataOptions.httpTokens of the launch template to required",
		Check:  each([]string{templateType}, is("metadataOptions.httpTokens", "required")),
	},
	{
		Name:   "nodes-metadata-one-hop",
		Reason: "a pod would reach the node's metadata through its own network",
		IDs:    []string{"CKV_AWS_341", "EKS BPG security/iam"},
		Fix:    "set metadataOptions.httpPutResponseHopLimit of the launch template to 1",
		Check:  each([]string{templateType}, is("metadataOptions.httpPutResponseHopLimit", 1.0)),
	},
	{
		Name:   "nodes-disks-encrypted",
		Reason: "images and logs on a node's disk outlive the node as a snapshot",
		IDs:    []string{"CKV_AWS_3", "CKV_AWS_8", "AVD-AWS-0131"},
		Fix:    "set blockDeviceMappings[0].ebs.encrypted of the launch template to true",
		Check:  each([]string{templateType}, is("blockDeviceMappings.0.ebs.encrypted", "true")),
	},
	{
		Name:   "nodes-least-privilege",
		Reason: "what the node may do, every pod may that breaks out of its container",
		IDs:    []string{"EKS BPG security/iam", "CKV_AWS_274"},
		Fix:    "move the rights from the node's role to that of the service which needs them",
		Check:  whole(nodeRights),
	},
	{
		Name:       "nodes-in-three-zones",
		Reason:     "with two zones, the loss of one takes half of everything",
		IDs:        []string{"REL10-BP01", "EKS BPG reliability/dataplane"},
		Fix:        "pulumi config set --path trivet:network.zones 3",
		Production: true,
		Check:      each([]string{nodeGroupType}, threeSubnets),
	},
	{
		Name:       "nodes-two-groups",
		Reason:     "a service that takes all memory would take the cluster's own parts with it",
		IDs:        []string{"EKS BPG reliability/dataplane"},
		Fix:        "give the cluster a group of nodes for its own parts and one for the services",
		Production: true,
		Check:      whole(twoGroups),
	},
	{
		Name:   "nodes-scale",
		Reason: "a group that cannot grow leaves new pods without a place",
		IDs:    []string{"EKS BPG cluster-autoscaling"},
		Fix:    "pulumi config set --path trivet:cluster.workload.max 10",
		Check:  each([]string{nodeGroupType}, canGrow),
	},
}

// nodePolicies are the policies of AWS that nodes need and nothing else does.
var nodePolicies = []string{
	"AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy", "AmazonEKS_CNI_Policy",
	"AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore",
}

func nodeRights(g graph.Graph) []Finding {
	var findings []Finding
	for _, role := range g.Of(roleType) {
		if !trusts(role, "ec2.amazonaws.com") {
			continue
		}
		for _, attachment := range g.Referring(attachmentType, "role", role) {
			arn := attachment.Input("policyArn")
			if !arn.Hidden() && !slices.Contains(nodePolicies, path.Base(arn.Text())) {
				findings = append(findings, Finding{attachment.URN, "nodes have " + shown(arn)})
			}
		}
		for _, own := range g.Referring(rolePolicyType, "role", role) {
			findings = append(findings, Finding{own.URN, "nodes have a policy of their own"})
		}
	}
	return findings
}

// trusts tells whether a service of the cloud may take on a role.
func trusts(role graph.Resource, service string) bool {
	for _, statement := range statements(role.Input("assumeRolePolicy")) {
		if has(statement.Field("Principal", "Service"), service) {
			return true
		}
	}
	return false
}

// statements are those of a policy.
func statements(policy graph.Value) []graph.Value { return policy.Decoded().Field("Statement").List() }

func threeSubnets(r graph.Resource) string {
	subnets := r.Input("subnetIds")
	if n := len(subnets.List()); !subnets.Hidden() && n < 3 {
		return fmt.Sprintf("nodes are in %d zones, want 3", n)
	}
	return ""
}

func twoGroups(g graph.Graph) []Finding {
	var findings []Finding
	for _, cluster := range g.Of(clusterType) {
		var guarded, all int
		for _, group := range g.Referring(nodeGroupType, "clusterName", cluster) {
			all++
			if group.Input("taints").Set() || strings.Contains(group.Name, "system") {
				guarded++
			}
		}
		if all < 2 || guarded == 0 || guarded == all {
			findings = append(findings, Finding{cluster.URN, "the cluster's own parts and the services share their nodes"})
		}
	}
	return findings
}

func canGrow(r graph.Resource) string {
	least, most := input(r, "scalingConfig.minSize"), input(r, "scalingConfig.maxSize")
	if !least.Hidden() && !most.Hidden() && most.Number() <= least.Number() {
		return fmt.Sprintf("it has %s nodes at least and %s at most", shown(least), shown(most))
	}
	return ""
}
