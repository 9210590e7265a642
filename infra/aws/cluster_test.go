package aws

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestTheControlPlaneIsClosed(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	made.the(t, "aws:eks/cluster:Cluster", "trivet-cluster-control").want(t, map[string]any{
		"name":                            "trivet-prod-aws",
		"vpcConfig.endpointPrivateAccess": true, "vpcConfig.endpointPublicAccess": false, "vpcConfig.publicAccessCidrs": nil,
		"vpcConfig.securityGroupIds":      []string{"trivet-cluster-endpoint-id"},
		"accessConfig.authenticationMode": "API", "accessConfig.bootstrapClusterCreatorAdminPermissions": false,
		"encryptionConfig.provider.keyArn": "arn:aws:aws:kms/key:Key:trivet-keys-cluster", "encryptionConfig.resources": []string{"secrets"},
		"enabledClusterLogTypes":     []string{"api", "audit", "authenticator", "controllerManager", "scheduler"},
		"bootstrapSelfManagedAddons": false, "upgradePolicy.supportType": "STANDARD", "zonalShiftConfig.enabled": true,
	})
	made.the(t, "aws:cloudwatch/logGroup:LogGroup", "trivet-cluster-control").want(t, map[string]any{
		"name": "/aws/eks/trivet-prod-aws/cluster", "retentionInDays": 90, "kmsKeyId": "arn:aws:aws:kms/key:Key:trivet-keys-logs",
	})
}

func TestAPublicEndpointAnswersWhomItIsToldTo(t *testing.T) {
	t.Parallel()
	spec := devSpec()
	spec.Cluster.PublicEndpoint, spec.Cluster.EndpointCIDRs = true, []string{"203.0.113.0/24"}
	deploy(t, spec).the(t, "aws:eks/cluster:Cluster", "trivet-cluster-control").want(t, map[string]any{
		"vpcConfig.endpointPrivateAccess": true, "vpcConfig.endpointPublicAccess": true, "vpcConfig.publicAccessCidrs": []string{"203.0.113.0/24"},
	})
}

// TestAKeptClusterKeepsItsGroups: AWS refuses to delete a security group while
// the control plane has it, or another group's rule names it.
func TestAKeptClusterKeepsItsGroups(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, name := range []string{"trivet-cluster-endpoint", "trivet-cluster-nodes"} {
		if r := made.the(t, "aws:ec2/securityGroup:SecurityGroup", name); !r.retain || r.protect {
			t.Errorf("%s: retained %v, protected %v", r.urn(), r.retain, r.protect)
		}
	}
}

func TestServiceAddressesAreNotHidden(t *testing.T) {
	t.Parallel()
	for cidr, fine := range map[string]bool{"10.20.0.0/16": true, "172.16.0.0/16": true, "172.20.0.0/18": false, "172.20.128.0/20": false} {
		if err := checkServiceCIDR(cidr); (err == nil) != fine {
			t.Errorf("%s: %v", cidr, err)
		}
	}
}

// TestOnlyNamedRolesEnter reads who may do what in the cluster.
func TestOnlyNamedRolesEnter(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	if entries := names(made.of("aws:eks/accessEntry:AccessEntry")); !slices.Equal(entries, []string{"trivet-cluster-admin-admins", "trivet-cluster-deploy-team-deployers"}) {
		t.Errorf("%v may enter", entries)
	}
	const rights = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
	made.the(t, rights, "trivet-cluster-admin-admins").want(t, map[string]any{
		"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "accessScope.type": "cluster",
	})
	made.the(t, rights, "trivet-cluster-deploy-team-deployers").want(t, map[string]any{
		"policyArn":        "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy",
		"accessScope.type": "namespace", "accessScope.namespaces": []string{"trivet"},
		"principalArn": "arn:aws:iam::123456789012:role/team/deployers",
	})
}

func TestARoleHasOneEntry(t *testing.T) {
	t.Parallel()
	spec := devSpec()
	admin, one, other := "arn:aws:iam::123456789012:role/admins", "arn:aws:iam::123456789012:role/one/deploy", "arn:aws:iam::123456789012:role/other/deploy"
	spec.Cluster.AdminRoles, spec.Cluster.DeployRoles = []string{admin}, []string{one, admin, other}
	if entries := names(deploy(t, spec).of("aws:eks/accessEntry:AccessEntry")); !slices.Equal(entries, []string{
		"trivet-cluster-admin-admins", "trivet-cluster-deploy-one-deploy", "trivet-cluster-deploy-other-deploy",
	}) {
		t.Errorf("the entries are %v", entries)
	}
}

func TestTheKubeconfigHoldsNoCredential(t *testing.T) {
	t.Parallel()
	var config struct {
		Clusters []struct{ Cluster map[string]string }
		Users    []struct {
			User struct {
				Exec struct {
					Command string
					Args    []string
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(kubeconfig("store", "https://api.example.net", "Q0E=", "eu-central-1")), &config); err != nil {
		t.Fatal(err)
	}
	if got := config.Clusters[0].Cluster; got["server"] != "https://api.example.net" || got["certificate-authority-data"] != "Q0E=" {
		t.Errorf("cluster %v", got)
	}
	exec := config.Users[0].User.Exec
	if exec.Command != "aws" || strings.Join(exec.Args, " ") != "eks get-token --region eu-central-1 --cluster-name store --output json" {
		t.Errorf("credentials by %v", exec)
	}
}

func TestNodesDemandATokenForTheirMetadata(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, name := range []string{"trivet-cluster-system", "trivet-cluster-workload"} {
		made.the(t, "aws:ec2/launchTemplate:LaunchTemplate", name).want(t, map[string]any{
			"metadataOptions.httpTokens": "required", "metadataOptions.httpPutResponseHopLimit": 1,
			"blockDeviceMappings[0].ebs.encrypted": "true", "blockDeviceMappings[0].ebs.volumeType": "gp3",
			"vpcSecurityGroupIds": []string{"sg-of-eks", "trivet-cluster-nodes-id"},
		})
		made.the(t, "aws:eks/nodeGroup:NodeGroup", name).want(t, map[string]any{
			"subnetIds":           []string{"trivet-network-private-1-id", "trivet-network-private-2-id", "trivet-network-private-3-id"},
			"launchTemplate.id":   name + "-id",
			"labels":              map[string]any{"trivet.dev/pool": strings.TrimPrefix(name, "trivet-cluster-")},
			"capacityType":        "ON_DEMAND",
			"version":             prodSpec().Cluster.Version,
			"scalingConfig":       map[string]any{"minSize": 3, "desiredSize": 3, "maxSize": map[string]int{"trivet-cluster-system": 6, "trivet-cluster-workload": 10}[name]},
			"amiType":             "AL2023_x86_64_STANDARD",
			"nodeRepairConfig":    map[string]any{"enabled": true},
			"remoteAccess":        nil,
			"updateConfig":        map[string]any{"maxUnavailablePercentage": 33},
			"launchTemplate.name": nil,
		})
	}
}

// TestServicesKeepOffTheSystemsNodes: by a taint that the cluster's own parts
// put up with.
func TestServicesKeepOffTheSystemsNodes(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-system").want(t, map[string]any{
			"taints": []any{map[string]any{"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}},
		})
		made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-workload").want(t, map[string]any{"taints": nil})
		metrics := made.the(t, "aws:eks/addon:Addon", "trivet-cluster-metrics").input("configurationValues").(string)
		if !strings.Contains(metrics, `"tolerations":[{"key":"CriticalAddonsOnly","operator":"Exists"}]`) {
			t.Errorf("%s: metrics-server cannot run on the system's nodes: %s", name, metrics)
		}
	}
}

func TestDevelopmentRunsOnSpotInOneZone(t *testing.T) {
	t.Parallel()
	made := deploy(t, devSpec())
	made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-workload").want(t, map[string]any{
		"capacityType": "SPOT", "subnetIds": []string{"trivet-network-private-1-id"},
	})
	made.the(t, "aws:eks/nodeGroup:NodeGroup", "trivet-cluster-system").want(t, map[string]any{"capacityType": "ON_DEMAND"})
}

// TestNodesMayJoinAndPullAndNothingElse reads the rights of the machines.
func TestNodesMayJoinAndPullAndNothingElse(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	var rights []string
	for _, attachment := range made.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment") {
		if attachment.input("role") == "trivet-cluster-nodes" {
			rights = append(rights, attachment.input("policyArn").(string))
		}
	}
	slices.Sort(rights)
	if !slices.Equal(rights, []string{
		"arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly", "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
	}) {
		t.Errorf("nodes may %v", rights)
	}
}

func TestTheAutoscalerFindsItsGroups(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, pool := range []string{"system", "workload"} {
		made.the(t, "aws:autoscaling/tag:Tag", "trivet-cluster-"+pool+"-autoscaler-owned").want(t, map[string]any{
			"autoscalingGroupName": "asg/trivet-cluster-" + pool, "tag.key": "k8s.io/cluster-autoscaler/trivet-prod-aws", "tag.value": "owned",
		})
	}
	nodes := made.platform.Nodes
	if got := nodes.Args["node-group-auto-discovery"].ToStringOutput(); nodes.Kind != "cluster-autoscaler" ||
		resolve(t, got) != "asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/trivet-prod-aws" {
		t.Errorf("%s: %s", nodes.Kind, resolve(t, got))
	}

	spec := prodSpec()
	spec.Cluster.NodeAutoscaler = "none"
	fixed := deploy(t, spec)
	if tags := fixed.of("aws:autoscaling/tag:Tag"); len(tags) != 0 || fixed.platform.Nodes.Kind != "none" {
		t.Errorf("groups of a fixed size have %v and are %s", names(tags), fixed.platform.Nodes.Kind)
	}
}

func TestAddonsArePinned(t *testing.T) {
	t.Parallel()
	for version, addons := range addonVersions {
		if len(addons) != 8 || !strings.HasPrefix(addons["kube-proxy"], "v"+version+".") {
			t.Errorf("Kubernetes %s: %v", version, addons)
		}
	}
	made := deploy(t, prodSpec())
	for _, addon := range made.of("aws:eks/addon:Addon") {
		name := addon.input("addonName").(string)
		addon.want(t, map[string]any{"addonVersion": addonVersions[prodSpec().Cluster.Version][name], "clusterName": "trivet-prod-aws"})
	}
	if n := len(made.of("aws:eks/addon:Addon")); n != 8 {
		t.Errorf("there are %d add-ons", n)
	}
	network := made.the(t, "aws:eks/addon:Addon", "trivet-cluster-network")
	var settings map[string]any
	if err := json.Unmarshal([]byte(network.input("configurationValues").(string)), &settings); err != nil {
		t.Fatal(err)
	}
	if settings["enableNetworkPolicy"] != "true" {
		t.Errorf("network policies have no effect: %v", settings)
	}
	network.want(t, map[string]any{
		"podIdentityAssociations[0].serviceAccount": "aws-node",
		"podIdentityAssociations[0].roleArn":        "arn:aws:aws:iam/role:Role:trivet-cluster-network",
	})

	spec := prodSpec()
	spec.Cluster.Version = "1.29"
	if err := run(spec, &account{}, false, provision).err; err == nil || !strings.Contains(err.Error(), "1.29") {
		t.Errorf("a version that nobody has tried: %v", err)
	}
}

func TestImagesFitTheProcessors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ types, want string }{
		{"m5.large", "AL2023_x86_64_STANDARD"},
		{"t3.medium t3a.medium", "AL2023_x86_64_STANDARD"},
		{"g5.xlarge", "AL2023_x86_64_STANDARD"}, // g is its family
		{"m7g.large", "AL2023_ARM_64_STANDARD"},
		{"t4g.small c6gn.large", "AL2023_ARM_64_STANDARD"},
		{"g5g.xlarge", "AL2023_ARM_64_STANDARD"},
		{"m7g.large m5.large", ""},
		{"", ""},
	} {
		got, err := imageType(strings.Fields(test.types))
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: %s, %v, want %q", test.types, got, err, test.want)
		}
	}
}

func TestSmallNodesTakeFewerPods(t *testing.T) {
	t.Parallel()
	for types, want := range map[string]int{
		"t3.small": 20, "t3.medium": 35, "m5.large": 58, "m5.xlarge": 110, "m5.24xlarge": 110, "m5.xlarge m5.large": 58,
	} {
		if got := maxPods(strings.Fields(types)); got != want {
			t.Errorf("%s: %d pods, want %d", types, got, want)
		}
	}
	made := deploy(t, leanSpec())
	data, err := base64.StdEncoding.DecodeString(made.the(t, "aws:ec2/launchTemplate:LaunchTemplate", "trivet-cluster-system").input("userData").(string))
	if err != nil || !strings.Contains(string(data), "maxPods: 20\n") {
		t.Errorf("%v: %s", err, data)
	}
}

func TestProcessorsAreCountedBySize(t *testing.T) {
	t.Parallel()
	for instance, want := range map[string]int{
		"t3.medium": 2, "m5.large": 2, "m5.xlarge": 4, "m5.2xlarge": 8, "c7g.16xlarge": 64, "m5.metal": 0, "": 0,
	} {
		if got := processorsOf(instance); got != want {
			t.Errorf("%s has %d processors, want %d", instance, got, want)
		}
	}
}
