package guardrails

import (
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	balancerType    = "aws:lb/loadBalancer:LoadBalancer"
	listenerType    = "aws:lb/listener:Listener"
	targetGroupType = "aws:lb/targetGroup:TargetGroup"
)

var balancerRules = []Rule{
	{
		Name:   "balancer-tls",
		Reason: "older versions of TLS can be broken",
		IDs:    []string{"CKV_AWS_103", "AVD-AWS-0047", "ELB.17"},
		Fix:    "set sslPolicy of the listener to ELBSecurityPolicy-TLS13-1-2-2021-06",
		Check:  each([]string{listenerType}, modernTLS),
	},
	{
		Name:   "balancer-redirects",
		Reason: "tokens would be sent as they are by a client that was given an http URL",
		IDs:    []string{"CKV2_AWS_20", "CKV_AWS_2", "AVD-AWS-0054", "ELB.1"},
		Fix:    "have the default action of the listener on HTTP redirect to HTTPS",
		Check:  each([]string{listenerType}, redirects),
	},
	{
		Name:   "balancer-targets-tls",
		Reason: "between balancer and pods, values would cross the network as they are",
		IDs:    []string{"CKV_AWS_378", "ELB.18"},
		Fix:    "set protocol of the target group to HTTPS",
		Check:  each([]string{targetGroupType}, is("protocol", "HTTPS")),
	},
	{
		Name:   "balancer-logs",
		Reason: "an attack could not be told from a busy day",
		IDs:    []string{"CKV_AWS_91", "ELB.5"},
		Fix:    "set accessLogs of the balancer to a bucket, enabled",
		Check:  each([]string{balancerType}, is("accessLogs.enabled", true), given("accessLogs.bucket")),
	},
	{
		Name:       "balancer-deletion-protection",
		Reason:     "a wrong click in the console would take the platform off the net",
		IDs:        []string{"CKV_AWS_150", "ELB.6"},
		Fix:        "set enableDeletionProtection of the balancer to true",
		Production: true,
		Check:      each([]string{balancerType}, is("enableDeletionProtection", true)),
	},
	{
		Name:   "balancer-drops-bad-headers",
		Reason: "headers that two servers read differently smuggle requests past the first",
		IDs:    []string{"CKV_AWS_131", "AVD-AWS-0052", "ELB.4"},
		Fix:    "set dropInvalidHeaderFields of the balancer to true",
		Check:  each([]string{balancerType}, is("dropInvalidHeaderFields", true)),
	},
	{
		Name:       "balancer-has-firewall",
		Reason:     "requests that are known to be attacks would reach the services",
		IDs:        []string{"CKV2_AWS_28", "CKV2_AWS_76", "ELB.16"},
		Fix:        "pulumi config set --path trivet:edge.waf all",
		Production: true,
		Check:      companion(balancerType, "aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn", given("webAclArn")),
	},
}

// modernPolicies begin the names of the policies that offer TLS 1.2 and newer.
var modernPolicies = []string{"ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-", "ELBSecurityPolicy-FS-1-2-", "ELBSecurityPolicy-TLS-1-2-"}

func modernTLS(r graph.Resource) string {
	policy := r.Input("sslPolicy")
	if r.Input("protocol").Text() != "HTTPS" || policy.Hidden() {
		return ""
	}
	if !slices.ContainsFunc(modernPolicies, func(prefix string) bool { return strings.HasPrefix(policy.Text(), prefix) }) {
		return "sslPolicy is " + shown(policy)
	}
	return ""
}

func redirects(r graph.Resource) string {
	if r.Input("protocol").Text() != "HTTP" {
		return ""
	}
	return all(is("defaultActions.0.type", "redirect"), is("defaultActions.0.redirect.protocol", "HTTPS"))(r)
}
