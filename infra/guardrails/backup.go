package guardrails

import (
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	planType      = "aws:backup/plan:Plan"
	selectionType = "aws:backup/selection:Selection"
)

var backupRules = []Rule{
	{
		Name:   "backup-vault-encrypted",
		Reason: "only with the stack's own key can access to backups be withdrawn and seen",
		IDs:    []string{"CKV_AWS_166", "Backup.1"},
		Fix:    "set kmsKeyArn of the vault to the stack's own key",
		Check:  each([]string{vaultType}, given("kmsKeyArn")),
	},
	{
		Name:       "backup-covers-database",
		Reason:     "the database's own backups go with the account's rights over it",
		IDs:        []string{"CKV2_AWS_8", "CKV2_AWS_18", "RDS.26"},
		Fix:        "add a Selection of the plan that names the database, or a tag that it has",
		Production: true,
		Check:      whole(databaseBackedUp),
	},
	{
		Name:       "backup-copied",
		Reason:     "what is lost with its region has to be somewhere else too",
		IDs:        []string{"REL09-BP02", "REL13-BP02"},
		Fix:        "pulumi config set --path trivet:backup.copyRegion us-west-2",
		Production: true,
		Check:      each([]string{planType}, copied),
	},
	{
		Name:       "backup-kept",
		Reason:     "a mistake that is noticed after two weeks could not be undone",
		IDs:        []string{"CKV_AWS_133", "REL09-BP01"},
		Fix:        "pulumi config set --path trivet:backup.days 35",
		Production: true,
		Check:      each([]string{planType}, kept),
	},
}

func databaseBackedUp(g graph.Graph) []Finding {
	var findings []Finding
	for _, database := range g.Of(databaseType) {
		covered := slices.ContainsFunc(g.Of(selectionType), func(selection graph.Resource) bool {
			return selection.Input("planId").Set() &&
				(selection.RefersTo(database, "resources") || selection.Input("selectionTags").Set() || wild(selection.Input("resources"), "*"))
		})
		if !covered {
			findings = append(findings, Finding{database.URN, "no plan backs it up"})
		}
	}
	return findings
}

func copied(r graph.Resource) string {
	for _, rule := range r.Input("rules").List() {
		if rule.Hidden() || rule.Field("copyActions", "0", "destinationVaultArn").Set() {
			return ""
		}
	}
	return "none of its rules copies to another region"
}

func kept(r graph.Resource) string {
	for _, rule := range r.Input("rules").List() {
		if days := rule.Field("lifecycle", "deleteAfter"); days.Raw() != nil && !days.AtLeast(14) {
			return "a rule deletes after " + shown(days) + " days"
		}
	}
	return ""
}
