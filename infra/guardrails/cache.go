package guardrails

import (
	"fmt"

	"github.com/trivetkv/trivet/infra/graph"
)

const cacheType = "aws:elasticache/replicationGroup:ReplicationGroup"

var cacheRules = []Rule{
	{
		Name:   "cache-tls",
		Reason: "values would cross the network as they are",
		IDs:    []string{"CKV_AWS_30", "AVD-AWS-0051", "ElastiCache.5"},
		Fix:    "set transitEncryptionEnabled of the replication group to true and transitEncryptionMode to required",
		Check:  each([]string{cacheType}, is("transitEncryptionEnabled", true), is("transitEncryptionMode", "required")),
	},
	{
		Name:   "cache-login",
		Reason: "whoever gets into the network would read and change what everybody is served",
		IDs:    []string{"CKV_AWS_31", "ElastiCache.6"},
		Fix:    "set userGroupIds of the replication group, or its authToken",
		Check:  each([]string{cacheType}, either(given("userGroupIds"), given("authToken"))),
	},
	{
		Name:   "cache-encrypted",
		Reason: "only with the stack's own key can access to snapshots be withdrawn and seen",
		IDs:    []string{"CKV_AWS_29", "CKV_AWS_191", "AVD-AWS-0045", "ElastiCache.4"},
		Fix:    "set atRestEncryptionEnabled of the replication group to true and kmsKeyId to the stack's own key",
		Check:  each([]string{cacheType}, is("atRestEncryptionEnabled", true), given("kmsKeyId")),
	},
	{
		Name:   "cache-private",
		Reason: "in the default subnets it is where machines with public addresses are",
		IDs:    []string{"CKV_AWS_323", "ElastiCache.7"},
		Fix:    "set subnetGroupName and securityGroupIds of the replication group",
		Check:  each([]string{cacheType}, given("subnetGroupName"), given("securityGroupIds")),
	},
	{
		Name:       "cache-highly-available",
		Reason:     "without a replica in another zone, a lost node is a cold cache and a loaded database",
		IDs:        []string{"CKV2_AWS_50", "ElastiCache.3"},
		Fix:        "pulumi config set --path trivet:cache.replicas 1",
		Production: true,
		Check:      each([]string{cacheType}, is("multiAzEnabled", true), is("automaticFailoverEnabled", true), hasReplica),
	},
	{
		Name:       "cache-snapshots",
		Reason:     "a cache that was emptied by mistake fills at the database's expense",
		IDs:        []string{"AVD-AWS-0050", "ElastiCache.1"},
		Fix:        "pulumi config set --path trivet:cache.snapshotDays 7",
		Production: true,
		Check:      each([]string{cacheType}, atLeast("snapshotRetentionLimit", 7)),
	},
}

func hasReplica(r graph.Resource) string {
	if nodes := r.Input("numCacheClusters"); nodes.AtLeast(2) || r.Input("replicasPerNodeGroup").AtLeast(1) {
		return ""
	}
	return fmt.Sprintf("numCacheClusters is %s, want 2 or more", shown(r.Input("numCacheClusters")))
}
