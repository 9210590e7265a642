package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// addonVersions are by version of Kubernetes, then by add-on. A version that is
// not here is one that nobody has tried together.
var addonVersions = map[string]map[string]string{
	"1.33": versionsWith("v1.33.10-eksbuild.2"),
	"1.34": versionsWith("v1.34.6-eksbuild.2"),
	"1.35": versionsWith("v1.35.3-eksbuild.2"),
}

// versionsWith are the add-ons' versions, which have been the same for the
// versions of Kubernetes above but for kube-proxy's.
func versionsWith(kubeProxy string) map[string]string {
	return map[string]string{ //nolint:gosec // one of the names has "secrets" in it
		"vpc-cni":                               "v1.21.1-eksbuild.7",
		"kube-proxy":                            kubeProxy,
		"eks-pod-identity-agent":                "v1.3.10-eksbuild.3",
		"coredns":                               "v1.13.2-eksbuild.4",
		"aws-ebs-csi-driver":                    "v1.58.0-eksbuild.1",
		"amazon-cloudwatch-observability":       "v6.0.1-eksbuild.1",
		"aws-secrets-store-csi-driver-provider": "v2.2.2-eksbuild.1",
		"metrics-server":                        "v0.8.1-eksbuild.5",
	}
}

// checkVersion refuses versions of Kubernetes that no add-ons are pinned for.
func checkVersion(kubernetes string) error {
	if _, ok := addonVersions[kubernetes]; !ok {
		return fmt.Errorf("cluster.version %q: add-ons are pinned for %s", kubernetes,
			strings.Join(slices.Sorted(maps.Keys(addonVersions)), ", "))
	}
	return nil
}

// collectorNamespace is where the CloudWatch add-on puts its collector.
const collectorNamespace = "amazon-cloudwatch"

// An addon is a part of the cluster that EKS installs and repairs.
type addon struct {
	part           string         // of the cluster, short: roles' names have 64 characters
	name           string         // as EKS calls it
	configuration  map[string]any // nil takes the add-on's own
	serviceAccount string         // in the add-on's namespace, which gets policy; empty without one
	namespace      string         // of the service account
	policy         string         // of AWS's own
}

// addNetworkAddons installs what a node cannot become ready without, or what
// other add-ons get their rights by.
func (c *Cluster) addNetworkAddons(ctx *pulumi.Context, name string, args ClusterArgs) ([]pulumi.Resource, error) {
	return c.install(ctx, name, args, nil,
		addon{part: "pods", name: "eks-pod-identity-agent"},
		addon{
			part: "network",
			name: "vpc-cni",
			configuration: map[string]any{
				"enableNetworkPolicy": "true",
				// Sixteen addresses at a time: a small machine runs out of interfaces long before it runs out of memory.
				"env": map[string]any{"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"},
			},
			namespace: "kube-system", serviceAccount: "aws-node", policy: "AmazonEKS_CNI_Policy",
		},
		addon{part: "proxy", name: "kube-proxy"},
	)
}

// addAddons installs the others, whose pods need a node to run on.
func (c *Cluster) addAddons(ctx *pulumi.Context, name string, args ClusterArgs, nodes []pulumi.Resource) error {
	logs, err := c.addCollectorLogs(ctx, name, args)
	if err != nil {
		return err
	}
	_, err = c.install(ctx, name, args, append(nodes, logs...),
		addon{part: "dns", name: "coredns", configuration: map[string]any{
			"nodeSelector": map[string]any{poolLabel: systemPool},
		}},
		addon{
			part:          "volumes",
			name:          "aws-ebs-csi-driver",
			configuration: map[string]any{"controller": map[string]any{"nodeSelector": map[string]any{poolLabel: systemPool}}},
			namespace:     "kube-system", serviceAccount: "ebs-csi-controller-sa", policy: "service-role/AmazonEBSCSIDriverPolicy",
		},
		// Containers' output, and the metrics of nodes and pods. What each object of
		// the cluster does is not collected, as every one is charged for.
		addon{
			part: "signals",
			name: "amazon-cloudwatch-observability",
			configuration: map[string]any{
				"containerLogs": map[string]any{"enabled": true},
				"agent": map[string]any{"config": map[string]any{
					"agent": map[string]any{"region": args.Spec.Region}, // which it cannot ask the node for, one hop away
					"logs": map[string]any{"metrics_collected": map[string]any{
						"kubernetes": map[string]any{"enhanced_container_insights": false},
					}},
				}},
			},
			namespace: collectorNamespace, serviceAccount: "cloudwatch-agent", policy: "CloudWatchAgentServerPolicy",
		},
		// Brings the driver along. A secret that was rotated is in the pods' files two minutes later.
		addon{part: "secrets", name: "aws-secrets-store-csi-driver-provider", configuration: map[string]any{
			"secrets-store-csi-driver": map[string]any{"enableSecretRotation": true, "rotationPollInterval": "2m"},
		}},
		addon{part: "metrics", name: "metrics-server", configuration: map[string]any{
			"nodeSelector": map[string]any{poolLabel: systemPool},
			"tolerations":  []any{map[string]any{"key": systemTaint, "operator": "Exists"}}, // the others have it by themselves
		}},
	)
	return err
}

// addCollectorLogs makes the log groups that the collector would make itself,
// without a key and with logs kept for ever.
func (c *Cluster) addCollectorLogs(ctx *pulumi.Context, name string, args ClusterArgs) ([]pulumi.Resource, error) {
	var groups []pulumi.Resource
	for _, kind := range []string{"application", "dataplane", "host", "performance"} {
		group, err := cloudwatch.NewLogGroup(ctx, fmt.Sprintf("%s-%s", name, kind), &cloudwatch.LogGroupArgs{
			Name:            pulumi.String(containerLogGroup(args.Spec, kind)),
			RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
			KmsKeyId:        args.Keys.Logs.Arn,
		}, pulumi.Parent(c))
		if err != nil {
			return nil, fmt.Errorf("log group %s: %w", kind, err)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// containerLogGroup is where the collector writes: application is the
// containers' output, performance the metrics.
func containerLogGroup(spec platform.Spec, kind string) string {
	return fmt.Sprintf("/aws/containerinsights/%s/%s", physicalName(spec), kind)
}

// install registers add-ons, each with its role.
func (c *Cluster) install(ctx *pulumi.Context, name string, args ClusterArgs, after []pulumi.Resource, addons ...addon) ([]pulumi.Resource, error) {
	if err := checkVersion(args.Spec.Cluster.Version); err != nil {
		return nil, err
	}
	versions := addonVersions[args.Spec.Cluster.Version]
	var installed []pulumi.Resource
	for _, part := range addons {
		partName := fmt.Sprintf("%s-%s", name, part.part)
		inputs := &eks.AddonArgs{
			ClusterName:  c.Name,
			AddonName:    pulumi.String(part.name),
			AddonVersion: pulumi.String(versions[part.name]),
			// The stack says how an add-on is configured, whoever edited it in the cluster.
			ResolveConflictsOnCreate: pulumi.String("OVERWRITE"),
			ResolveConflictsOnUpdate: pulumi.String("OVERWRITE"),
		}
		if part.configuration != nil {
			document, err := json.Marshal(part.configuration)
			if err != nil {
				return nil, fmt.Errorf("configuration of %s: %w", part.name, err)
			}
			inputs.ConfigurationValues = pulumi.String(document)
		}
		before := after
		if part.serviceAccount != "" {
			role, right, err := c.addAddonRole(ctx, partName, part, args)
			if err != nil {
				return nil, err
			}
			inputs.PodIdentityAssociations = eks.AddonPodIdentityAssociationArray{&eks.AddonPodIdentityAssociationArgs{
				RoleArn:        role.Arn,
				ServiceAccount: pulumi.String(part.serviceAccount),
			}}
			before = append([]pulumi.Resource{right}, after...)
		}
		made, err := eks.NewAddon(ctx, partName, inputs, pulumi.Parent(c), pulumi.DependsOn(before))
		if err != nil {
			return nil, fmt.Errorf("add-on %s: %w", part.name, err)
		}
		installed = append(installed, made)
	}
	return installed, nil
}

// addAddonRole makes an add-on's role, and gives its rights as a resource to
// wait for.
func (c *Cluster) addAddonRole(ctx *pulumi.Context, name string, part addon, args ClusterArgs) (*iam.Role, pulumi.Resource, error) {
	role, err := iam.NewRole(ctx, name, &iam.RoleArgs{
		Description:      pulumi.String("The add-on " + part.name + " of " + physicalName(args.Spec)),
		AssumeRolePolicy: pulumi.String(podTrust(args.Account, c.ARN, part.namespace, part.serviceAccount)),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, nil, fmt.Errorf("role of %s: %w", part.name, err)
	}
	right, err := iam.NewRolePolicyAttachment(ctx, name, &iam.RolePolicyAttachmentArgs{
		Role:      role.Name,
		PolicyArn: pulumi.String(args.Account.managedPolicy(part.policy)),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, nil, fmt.Errorf("rights of %s: %w", part.name, err)
	}
	return role, right, nil
}
