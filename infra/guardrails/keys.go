package guardrails

import (
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const keyType = "aws:kms/key:Key"

var keyRules = []Rule{
	{
		Name:   "keys-rotated",
		Reason: "a key that is used for years opens years of data",
		IDs:    []string{"CKV_AWS_7", "AVD-AWS-0065", "KMS.4"},
		Fix:    "set enableKeyRotation of the key to true",
		Check:  each([]string{keyType}, rotated),
	},
	{
		Name:   "keys-policy-closed",
		Reason: "a key that everybody may use protects nothing",
		IDs:    []string{"CKV_AWS_33", "CKV2_AWS_64", "KMS.5"},
		Fix:    "name the principals in the key's policy, or the account in a condition",
		Check:  each([]string{keyType}, given("policy"), policyClosed),
	},
	{
		Name:       "keys-deletion-window",
		Reason:     "a key that was deleted by mistake has to be missed before it is gone",
		IDs:        []string{"KMS.3", "SEC08-BP01"},
		Fix:        "set deletionWindowInDays of the key to 30",
		Production: true,
		Check:      each([]string{keyType}, either(absent("deletionWindowInDays"), atLeast("deletionWindowInDays", 14))),
	},
}

// rotated wants rotation of every key that AWS can rotate: those that sign
// cannot be.
func rotated(r graph.Resource) string {
	if usage := r.Input("keyUsage").Text(); strings.HasPrefix(usage, "SIGN") {
		return ""
	}
	return all(is("enableKeyRotation", true), either(absent("rotationPeriodInDays"), most("rotationPeriodInDays", 365)))(r)
}

// most wants a number up to limit.
func most(path string, limit float64) Test {
	return func(r graph.Resource) string {
		if got := input(r, path); !got.Hidden() && got.Number() > limit {
			return path + " is " + shown(got)
		}
		return ""
	}
}

// policyClosed refuses everybody as a principal without any condition.
func policyClosed(r graph.Resource) string {
	for _, statement := range statements(r.Input("policy")) {
		if statement.Field("Effect").Is("Allow") && anybody(statement.Field("Principal")) && !statement.Field("Condition").Set() {
			return "its policy allows everybody"
		}
	}
	return ""
}
