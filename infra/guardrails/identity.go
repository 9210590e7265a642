package guardrails

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const podIdentityType = "aws:eks/podIdentityAssociation:PodIdentityAssociation"

var policyTypes = []string{rolePolicyType, "aws:iam/policy:Policy"}

var identityRules = []Rule{
	{
		Name:   "identity-no-static-keys",
		Reason: "a key that never expires is the one that leaks",
		IDs:    []string{"CKV_AWS_273", "AVD-AWS-0143"},
		Fix:    "give the service a role and bind it by a PodIdentityAssociation",
		Check:  each([]string{"aws:iam/accessKey:AccessKey", "aws:iam/user:User"}, never("a key that is kept somewhere")),
	},
	{
		Name:   "identity-bound-to-account",
		Reason: "a role that every service account may take on is everybody's",
		IDs:    []string{"EKS BPG security/iam"},
		Fix:    "set namespace and serviceAccount of the association to the service's own",
		Check: each([]string{podIdentityType}, given("namespace"), given("serviceAccount"),
			named("serviceAccount", func(name string) bool { return name != "default" && !strings.Contains(name, "*") }, "a service's own account")),
	},
	{
		Name:   "identity-trust-scoped",
		Reason: "whoever may take on a role without a condition includes those of other accounts and clusters",
		IDs:    []string{"CKV_AWS_60", "CKV_AWS_61", "CKV_AWS_358"},
		Fix:    "name the principal in assumeRolePolicy, and the service account in its condition",
		Check:  each([]string{roleType}, trustScoped),
	},
	{
		Name:   "identity-least-privilege",
		Reason: "a service that was taken over could do anything to everything",
		IDs:    []string{"CKV_AWS_62", "CKV_AWS_63", "CKV_AWS_355", "AVD-AWS-0057", "IAM.1"},
		Fix:    "name the actions and the resources in the policy",
		Check:  each(policyTypes, leastPrivilege),
	},
}

// never refuses a resource for being there.
func never(what string) Test {
	return func(graph.Resource) string { return what }
}

// named wants text that passes a test.
func named(path string, fits func(string) bool, want string) Test {
	return func(r graph.Resource) string {
		if got := input(r, path); !got.Hidden() && !fits(got.Text()) {
			return fmt.Sprintf("%s is %s, want %s", path, shown(got), want)
		}
		return ""
	}
}

func trustScoped(r graph.Resource) string {
	for _, statement := range statements(r.Input("assumeRolePolicy")) {
		if !statement.Field("Effect").Is("Allow") {
			continue
		}
		if anybody(statement.Field("Principal")) {
			return "everybody may take on the role"
		}
		if has(statement.Field("Action"), "sts:AssumeRoleWithWebIdentity") && !namesSubject(statement.Field("Condition")) {
			return "every service account of the cluster may take on the role"
		}
	}
	return ""
}

// anybody tells whether a statement's principal is everyone.
func anybody(principal graph.Value) bool {
	return principal.Text() == "*" ||
		slices.ContainsFunc(principal.Field("AWS").List(), func(v graph.Value) bool { return v.Text() == "*" })
}

// namesSubject tells whether a condition asks for the subject of the token.
func namesSubject(condition graph.Value) bool {
	for _, keys := range condition.Object() {
		for key, value := range graph.Of(keys).Object() {
			if strings.HasSuffix(key, ":sub") && !strings.HasSuffix(graph.Of(value).Text(), ":*") {
				return true
			}
		}
	}
	return false
}

// leastPrivilege refuses every action of a service on every resource.
func leastPrivilege(r graph.Resource) string {
	for _, statement := range statements(r.Input("policy")) {
		if !statement.Field("Effect").Is("Allow") || !wild(statement.Field("Resource"), "*") {
			continue
		}
		for _, action := range statement.Field("Action").List() {
			if action.Text() == "*" || strings.HasSuffix(action.Text(), ":*") {
				return fmt.Sprintf("it allows %s on every resource", action.Text())
			}
		}
	}
	return ""
}

// wild tells whether a list has the text itself.
func wild(list graph.Value, text string) bool {
	return slices.ContainsFunc(list.List(), func(v graph.Value) bool { return v.Text() == text })
}
