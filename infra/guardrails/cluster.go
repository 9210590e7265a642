package guardrails

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const clusterType = "aws:eks/cluster:Cluster"

// oldestVersion is the oldest version of Kubernetes, 1.x, that EKS supported
// without a surcharge when this was written, in 2026.
const oldestVersion = 33

var clusterRules = []Rule{
	{
		Name:   "cluster-endpoint-closed",
		Reason: "an API server that everybody reaches is one stolen token away from being everybody's",
		IDs:    []string{"CKV_AWS_38", "CKV_AWS_39", "AVD-AWS-0040", "AVD-AWS-0041", "EKS.1", "CT.EKS.PR.1"},
		Fix:    "pulumi config set --path trivet:cluster.publicEndpoint false",
		Check:  each([]string{clusterType}, is("vpcConfig.endpointPrivateAccess", true), endpointClosed),
	},
	{
		Name:   "cluster-secrets-encrypted",
		Reason: "secrets of Kubernetes lie readable in backups of its store",
		IDs:    []string{"CKV_AWS_58", "AVD-AWS-0039", "CT.EKS.PR.2", "EKS.3"},
		Fix:    "set encryptionConfig of the cluster to the stack's own key, for resource secrets",
		Check:  each([]string{clusterType}, given("encryptionConfig.provider.keyArn"), includes("encryptionConfig.resources", "secrets")),
	},
	{
		Name:   "cluster-logs-complete",
		Reason: "what the control plane did not log cannot be investigated",
		IDs:    []string{"CKV_AWS_37", "AVD-AWS-0038", "EKS.8"},
		Fix:    "set enabledClusterLogTypes of the cluster to all five types",
		Check:  each([]string{clusterType}, includes("enabledClusterLogTypes", "api", "audit", "authenticator", "controllerManager", "scheduler")),
	},
	{
		Name:   "cluster-access-by-entries",
		Reason: "the identity that made a cluster would stay its hidden administrator",
		IDs:    []string{"EKS BPG security/iam"},
		Fix:    "set accessConfig of the cluster to authenticationMode API and bootstrapClusterCreatorAdminPermissions false",
		Check: each([]string{clusterType}, is("accessConfig.authenticationMode", "API"),
			is("accessConfig.bootstrapClusterCreatorAdminPermissions", false)),
	},
	{
		Name:   "cluster-version-supported",
		Reason: "versions out of support get no fixes and cost six times as much",
		IDs:    []string{"CKV_AWS_339", "EKS.2"},
		Fix:    "pulumi config set --path trivet:cluster.version 1.34",
		Check:  each([]string{clusterType}, versionSupported, is("upgradePolicy.supportType", "STANDARD")),
	},
	{
		Name:   "cluster-network-policies",
		Reason: "without an engine, network policies are accepted and have no effect",
		IDs:    []string{"EKS BPG security/network"},
		Fix:    `set configurationValues of add-on vpc-cni to {"enableNetworkPolicy":"true"}`,
		Check:  companion(clusterType, addonType, "clusterName", is("addonName", "vpc-cni"), enforcesPolicies),
	},
	{
		Name:   "cluster-addons-pinned",
		Reason: "an add-on without a version changes when somebody else deploys",
		IDs:    []string{"EKS BPG upgrades"},
		Fix:    "set addonVersion of the add-on",
		Check:  each([]string{addonType}, given("addonVersion")),
	},
}

const addonType = "aws:eks/addon:Addon"

func endpointClosed(r graph.Resource) string {
	if off("vpcConfig.endpointPublicAccess")(r) == "" && input(r, "vpcConfig.endpointPublicAccess").Set() {
		return ""
	}
	ranges := input(r, "vpcConfig.publicAccessCidrs")
	if !ranges.Set() || open(ranges) {
		return "everybody may reach the API server"
	}
	return ""
}

func versionSupported(r graph.Resource) string {
	version := r.Input("version")
	if version.Hidden() {
		return ""
	}
	minor, err := strconv.Atoi(strings.TrimPrefix(version.Text(), "1."))
	if err != nil || minor < oldestVersion {
		return fmt.Sprintf("version is %s, want 1.%d or newer", shown(version), oldestVersion)
	}
	return ""
}

func enforcesPolicies(r graph.Resource) string {
	if settings := r.Input("configurationValues").Decoded(); !settings.Field("enableNetworkPolicy").Is("true") {
		return "vpc-cni does not enforce network policies"
	}
	return ""
}
