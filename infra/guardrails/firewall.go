package guardrails

import (
	"github.com/trivetkv/trivet/infra/graph"
)

const firewallType = "aws:wafv2/webAcl:WebAcl"

var firewallRules = []Rule{
	{
		Name:   "firewall-common-rules",
		Reason: "the usual attacks on web servers would pass",
		IDs:    []string{"CKV_AWS_175", "CKV2_AWS_47", "WAF.10"},
		Fix:    "add managed group AWSManagedRulesCommonRuleSet to the web ACL",
		Check:  each([]string{firewallType}, managedGroup("AWSManagedRulesCommonRuleSet")),
	},
	{
		Name:   "firewall-known-bad-inputs",
		Reason: "requests made to run code in libraries, such as Log4j, would pass",
		IDs:    []string{"CKV_AWS_192"},
		Fix:    "add managed group AWSManagedRulesKnownBadInputsRuleSet to the web ACL",
		Check:  each([]string{firewallType}, managedGroup("AWSManagedRulesKnownBadInputsRuleSet")),
	},
	{
		Name:   "firewall-rate-limit",
		Reason: "one address could guess tokens as fast as it can send",
		IDs:    []string{"SEC05-BP03"},
		Fix:    "pulumi config set --path trivet:edge.rateLimit 100000",
		Check:  each([]string{firewallType}, rateLimited),
	},
	{
		Name:   "firewall-logs",
		Reason: "nobody could tell who was turned away, and whether rightly",
		IDs:    []string{"CKV2_AWS_31", "WAF.11"},
		Fix:    "add a WebAclLoggingConfiguration for the web ACL",
		Check: companion(firewallType, "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "resourceArn",
			given("logDestinationConfigs")),
	},
}

// managedGroup wants a group of AWS's rules that blocks what it finds.
func managedGroup(name string) Test {
	return func(r graph.Resource) string {
		rules := r.Input("rules")
		if rules.Hidden() {
			return ""
		}
		for _, rule := range rules.List() {
			if rule.Field("statement", "managedRuleGroupStatement", "name").Text() == name {
				if rule.Field("overrideAction", "count").Raw() != nil {
					return name + " only counts what it finds"
				}
				return ""
			}
		}
		return "there is no rule with " + name
	}
}

func rateLimited(r graph.Resource) string {
	rules := r.Input("rules")
	if rules.Hidden() {
		return ""
	}
	for _, rule := range rules.List() {
		if limit := rule.Field("statement", "rateBasedStatement", "limit"); limit.Set() && rule.Field("action", "block").Raw() != nil {
			return ""
		}
	}
	return "there is no rule that blocks an address for its rate"
}
