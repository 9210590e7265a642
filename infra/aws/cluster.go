package aws

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// ClusterArgs are what the cluster depends on.
type ClusterArgs struct {
	Spec    platform.Spec
	Account Account
	Network *Network
	Keys    *Keys
}

// Cluster is EKS with two groups of nodes: system, for what the cluster needs
// itself, and workload, for the services.
type Cluster struct {
	pulumi.ResourceState

	Control *eks.Cluster
	ARN     string // known beforehand, as the name is

	Name                pulumi.StringOutput
	Endpoint            pulumi.StringOutput
	CA                  pulumi.StringOutput // base64 of PEM
	Kubeconfig          pulumi.StringOutput // secret; holds no credential, only the command that fetches one
	KubeconfigCommand   pulumi.StringOutput
	NodeSecurityGroupID pulumi.StringOutput // of the nodes and of every pod: data tiers let it in, and nothing else
	NodeGroupASGNames   pulumi.StringArray  // autoscaling groups: system, workload
	LogGroupName        string              // of the control plane
	nodeSecurityGroup   *ec2.SecurityGroup
}
