package guardrails

import "github.com/trivetkv/trivet/infra/graph"

const vaultType = "aws:backup/vault:Vault"

var protectionRules = []Rule{
	protection("protected-network", "everything else in the stack is within it", vpcType),
	protection("protected-cluster", "every service would stop, and its addresses change", clusterType),
	protection("protected-cache", "the database would take all reads at once", cacheType),
	protection("protected-database", "the data would be gone back to the last backup", databaseType, instanceType),
	protection("protected-broker", "writes that were accepted and not applied would be gone", brokerType),
	protection("protected-keys", "what was encrypted with a key is gone with it", keyType),
	protection("protected-buckets", "the records of an intrusion and the last backups would be gone", bucketType),
	protection("protected-backups", "the backups would be gone", vaultType),
	retention("retained-cache", "the database would take all reads at once", cacheType),
	retention("retained-database", "the data would be gone back to the last backup", databaseType),
	retention("retained-broker", "writes that were accepted and not applied would be gone", brokerType),
	retention("retained-keys", "what was encrypted with a key is gone with it", keyType),
	retention("retained-buckets", "the records of an intrusion and the last backups would be gone", bucketType),
}

// protection has the engine refuse to delete or replace resources.
func protection(name, reason string, types ...string) Rule {
	return Rule{
		Name: name, Reason: "if it were deleted by mistake, " + reason,
		IDs:        []string{"SEC08-BP04", "REL09-BP02"},
		Fix:        "pulumi state protect URN; and pulumi.Protect(true) where the program makes it",
		Production: true,
		Check: each(types, func(r graph.Resource) string {
			if !r.Protect {
				return "it is not protected"
			}
			return ""
		}),
	}
}

// retention leaves resources in the account when they leave the stack.
func retention(name, reason string, types ...string) Rule {
	return Rule{
		Name: name, Reason: "if it left the stack by mistake, " + reason,
		IDs:        []string{"SEC08-BP04", "REL09-BP02"},
		Fix:        "pulumi.RetainOnDelete(true) where the program makes it, and pulumi up",
		Production: true,
		Check: each(types, func(r graph.Resource) string {
			if !r.RetainOnDelete {
				return "it is deleted when it leaves the stack"
			}
			return ""
		}),
	}
}
