package aws

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// serviceCIDR is where Kubernetes puts its services' addresses. They exist
// within the cluster alone, and cannot be changed later.
const serviceCIDR = "172.20.0.0/16"

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
}

// NewCluster registers the control plane, who may enter it, the nodes, and the
// add-ons, in the order in which each needs the other.
func NewCluster(ctx *pulumi.Context, name string, args ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	if err := checkServiceCIDR(args.Network.CIDR); err != nil {
		return nil, err
	}
	clusterName := physicalName(args.Spec)
	cluster := &Cluster{
		ARN:          args.Account.arn("eks", "cluster/"+clusterName),
		LogGroupName: "/aws/eks/" + clusterName + "/cluster", // where EKS looks for it
	}
	if err := ctx.RegisterComponentResource(componentType("Cluster"), name, cluster, opts...); err != nil {
		return nil, err
	}
	if err := cluster.addControlPlane(ctx, name, clusterName, args); err != nil {
		return nil, err
	}
	if err := cluster.addAccess(ctx, name, args); err != nil {
		return nil, err
	}

	nodes, err := ec2.NewSecurityGroup(ctx, name+"-nodes", &ec2.SecurityGroupArgs{
		VpcId:       args.Network.VPCID,
		Description: pulumi.String("Nodes and pods, as the balancer and the data tiers know them"),
		Tags:        named(clusterName + "-nodes"),
	}, attached(args.Spec, cluster)) // data tiers, which are kept, name it in their rules
	if err != nil {
		return nil, fmt.Errorf("security group of nodes: %w", err)
	}
	cluster.NodeSecurityGroupID = nodes.ID().ToStringOutput()

	early, err := cluster.addNetworkAddons(ctx, name, args)
	if err != nil {
		return nil, err
	}
	groups, err := cluster.addNodes(ctx, name, args, early)
	if err != nil {
		return nil, err
	}
	if err := cluster.addAddons(ctx, name, args, groups); err != nil {
		return nil, err
	}

	return cluster, ctx.RegisterResourceOutputs(cluster, pulumi.Map{
		"name":              cluster.Name,
		"endpoint":          cluster.Endpoint,
		"kubeconfigCommand": cluster.KubeconfigCommand,
	})
}

// checkServiceCIDR refuses a network that hides the services' addresses.
func checkServiceCIDR(network string) error {
	services := netip.MustParsePrefix(serviceCIDR)
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		return fmt.Errorf("network %q: %w", network, err)
	}
	if prefix.Overlaps(services) {
		return fmt.Errorf("network %s overlaps %s, where Kubernetes has its services", network, services)
	}
	return nil
}

// addControlPlane makes the API server and what it runs on.
func (c *Cluster) addControlPlane(ctx *pulumi.Context, name, clusterName string, args ClusterArgs) error {
	// EKS would make this group itself, without a key and with logs kept for ever.
	logs, err := cloudwatch.NewLogGroup(ctx, name+"-control", &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(c.LogGroupName),
		RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
		KmsKeyId:        args.Keys.Logs.Arn,
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("log group of the control plane: %w", err)
	}
	role, rights, err := c.addControlRole(ctx, name, args)
	if err != nil {
		return err
	}
	access, err := c.addEndpointAccess(ctx, name, args)
	if err != nil {
		return err
	}
	endpoint := &eks.ClusterVpcConfigArgs{
		SubnetIds:             args.Network.PrivateSubnetIDs,
		SecurityGroupIds:      pulumi.StringArray{access.ID()},
		EndpointPrivateAccess: pulumi.Bool(true),
		EndpointPublicAccess:  pulumi.Bool(args.Spec.Cluster.PublicEndpoint), // CKV_AWS_39
	}
	if args.Spec.Cluster.PublicEndpoint {
		endpoint.PublicAccessCidrs = pulumi.ToStringArray(args.Spec.Cluster.EndpointCIDRs) // CKV_AWS_38
	}
	c.Control, err = eks.NewCluster(ctx, name+"-control", &eks.ClusterArgs{
		Name:      pulumi.String(clusterName),
		Version:   pulumi.String(args.Spec.Cluster.Version),
		RoleArn:   role.Arn,
		VpcConfig: endpoint,
		// Who may enter is in access entries alone, where it can be read and
		// audited; whoever made the cluster is nobody special.
		AccessConfig: &eks.ClusterAccessConfigArgs{
			AuthenticationMode:                      pulumi.String("API"),
			BootstrapClusterCreatorAdminPermissions: pulumi.Bool(false),
		},
		// The parts that these would be come as add-ons, with a version.
		BootstrapSelfManagedAddons: pulumi.Bool(false),
		EnabledClusterLogTypes:     pulumi.ToStringArray([]string{"api", "audit", "authenticator", "controllerManager", "scheduler"}), // CKV_AWS_37
		EncryptionConfig: &eks.ClusterEncryptionConfigArgs{ // CKV_AWS_58
			Provider:  &eks.ClusterEncryptionConfigProviderArgs{KeyArn: args.Keys.Cluster.Arn},
			Resources: pulumi.ToStringArray([]string{"secrets"}),
		},
		KubernetesNetworkConfig: &eks.ClusterKubernetesNetworkConfigArgs{
			IpFamily:        pulumi.String("ipv4"),
			ServiceIpv4Cidr: pulumi.String(serviceCIDR),
		},
		// Standard support ends with an upgrade by AWS; the extended one, which
		// is the default, with six times the price.
		UpgradePolicy: &eks.ClusterUpgradePolicyArgs{SupportType: pulumi.String("STANDARD")},
		// Takes a zone that fails out of service, by hand or by AWS.
		ZonalShiftConfig: &eks.ClusterZonalShiftConfigArgs{Enabled: pulumi.Bool(args.Network.Spread > 1)},
	}, stateful(args.Spec, c), pulumi.DependsOn([]pulumi.Resource{logs, rights}))
	if err != nil {
		return fmt.Errorf("control plane: %w", err)
	}

	c.Name = c.Control.Name
	c.Endpoint = c.Control.Endpoint
	c.CA = c.Control.CertificateAuthority.Data().Elem()
	c.Kubeconfig = pulumi.ToSecret(pulumi.All(c.Name, c.Endpoint, c.CA).ApplyT(func(values []any) string {
		return kubeconfig(values[0].(string), values[1].(string), values[2].(string), args.Account.Region)
	})).(pulumi.StringOutput)
	c.KubeconfigCommand = pulumi.Sprintf("aws eks update-kubeconfig --region %s --name %s", args.Account.Region, c.Name)
	return nil
}

// addControlRole makes the role that EKS works in the account with, and gives
// the last of its rights: the cluster has to wait for it.
func (c *Cluster) addControlRole(ctx *pulumi.Context, name string, args ClusterArgs) (*iam.Role, pulumi.Resource, error) {
	role, err := iam.NewRole(ctx, name+"-control", &iam.RoleArgs{
		Description: pulumi.String("The control plane of " + physicalName(args.Spec)),
		AssumeRolePolicy: pulumi.String(policy(statement{
			Effect: allow, Principal: service("eks.amazonaws.com"), Action: []string{"sts:AssumeRole", "sts:TagSession"},
			Condition: conditions{"StringEquals": {"aws:SourceAccount": {args.Account.ID}}},
		})),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, nil, fmt.Errorf("role of the control plane: %w", err)
	}
	managed, err := iam.NewRolePolicyAttachment(ctx, name+"-control", &iam.RolePolicyAttachmentArgs{
		Role:      role.Name,
		PolicyArn: pulumi.String(args.Account.managedPolicy("AmazonEKSClusterPolicy")),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, nil, fmt.Errorf("rights of the control plane: %w", err)
	}
	rights, err := iam.NewRolePolicy(ctx, name+"-control", &iam.RolePolicyArgs{
		Role: role.Name,
		Policy: policyOf(pulumi.StringArray{args.Keys.Cluster.Arn}, func(values []string) []statement {
			return []statement{{
				Sid: "EncryptSecrets", Effect: allow,
				Action: []string{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"}, Resource: values,
			}}
		}),
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{managed}))
	if err != nil {
		return nil, nil, fmt.Errorf("key of the control plane: %w", err)
	}
	return role, rights, nil
}

// addEndpointAccess lets machines of the private subnets reach the API server:
// the nodes do by a group of EKS's own, but a deployment's runner is no node.
// They still have to say who they are.
func (c *Cluster) addEndpointAccess(ctx *pulumi.Context, name string, args ClusterArgs) (*ec2.SecurityGroup, error) {
	group, err := ec2.NewSecurityGroup(ctx, name+"-endpoint", &ec2.SecurityGroupArgs{
		VpcId:       args.Network.VPCID,
		Description: pulumi.String("The API server, for runners within the network"),
		Tags:        named(physicalName(args.Spec) + "-endpoint"),
	}, attached(args.Spec, c))
	if err != nil {
		return nil, fmt.Errorf("security group of the API server: %w", err)
	}
	for i, cidr := range args.Network.PrivateCIDRs {
		ruleName := fmt.Sprintf("%s-endpoint-%d", name, i+1)
		if _, err := vpc.NewSecurityGroupIngressRule(ctx, ruleName, &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: group.ID(),
			Description:     pulumi.String("HTTPS from the private subnet of " + args.Network.Zones[i]),
			IpProtocol:      pulumi.String("tcp"),
			FromPort:        pulumi.Int(443),
			ToPort:          pulumi.Int(443),
			CidrIpv4:        pulumi.String(cidr),
		}, pulumi.Parent(c)); err != nil {
			return nil, fmt.Errorf("rule %s: %w", ruleName, err)
		}
	}
	return group, nil
}

// kubeconfig is a configuration of kubectl that fetches a token whenever it
// needs one, with the credentials of whoever uses it. JSON is YAML, too.
func kubeconfig(name, endpoint, ca, region string) string {
	type object = map[string]any
	document, err := json.Marshal(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": name,
		"clusters":        []object{{"name": name, "cluster": object{"server": endpoint, "certificate-authority-data": ca}}},
		"contexts":        []object{{"name": name, "context": object{"cluster": name, "user": name}}},
		"users": []object{{"name": name, "user": object{"exec": object{
			"apiVersion":      "client.authentication.k8s.io/v1beta1",
			"command":         "aws",
			"args":            []string{"eks", "get-token", "--region", region, "--cluster-name", name, "--output", "json"},
			"interactiveMode": "Never",
		}}}},
	})
	if err != nil {
		panic(err) // strings, slices and maps of them always marshal
	}
	return string(document)
}
