package guardrails

import (
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

const cdnType = "aws:cloudfront/distribution:Distribution"

var cdnRules = []Rule{
	{
		Name:   "cdn-https",
		Reason: "pages would cross the net as they are, and could be changed on their way",
		IDs:    []string{"CKV_AWS_34", "AVD-AWS-0012", "CloudFront.3"},
		Fix:    "set viewerProtocolPolicy of every behaviour to redirect-to-https",
		Check:  each([]string{cdnType}, everyBehaviour(oneOf("viewerProtocolPolicy", "redirect-to-https", "https-only"))),
	},
	{
		Name:   "cdn-tls",
		Reason: "older versions of TLS can be broken",
		IDs:    []string{"CKV_AWS_174", "CKV2_AWS_42", "AVD-AWS-0013", "CloudFront.7"},
		Fix:    "set viewerCertificate of the distribution to a certificate of its own, with minimumProtocolVersion TLSv1.2_2021",
		Check: each([]string{cdnType}, given("viewerCertificate.acmCertificateArn"),
			oneOf("viewerCertificate.minimumProtocolVersion", "TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025")),
	},
	{
		Name:   "cdn-has-firewall",
		Reason: "requests that are known to be attacks would reach the origin",
		IDs:    []string{"CKV_AWS_68", "CKV2_AWS_47", "AVD-AWS-0011", "CloudFront.6"},
		Fix:    "pulumi config set --path trivet:edge.waf edge",
		Check:  each([]string{cdnType}, given("webAclId")),
	},
	{
		Name:   "cdn-logs",
		Reason: "an attack could not be told from a busy day",
		IDs:    []string{"CKV_AWS_86", "AVD-AWS-0010", "CloudFront.5"},
		Fix:    "set loggingConfig of the distribution to a bucket, or add a delivery of its access logs",
		Check:  whole(cdnLogs),
	},
	{
		Name:   "cdn-origin-https",
		Reason: "what is encrypted up to the edge would cross the net behind it as it is",
		IDs:    []string{"CKV2_AWS_72", "CloudFront.9", "CloudFront.10"},
		Fix:    "set customOriginConfig.originProtocolPolicy of every origin to https-only",
		Check:  each([]string{cdnType}, originsHTTPS),
	},
	{
		Name:   "cdn-response-headers",
		Reason: "a browser would be let embed, sniff and downgrade the console",
		IDs:    []string{"CKV2_AWS_32", "CKV_AWS_259"},
		Fix:    "set responseHeadersPolicyId of every behaviour",
		Check:  each([]string{cdnType}, everyBehaviour(given("responseHeadersPolicyId"))),
	},
}

// everyBehaviour applies a test to each cache behaviour of a distribution.
func everyBehaviour(test Test) Test {
	return func(r graph.Resource) string {
		for _, behaviour := range slices.Concat([]graph.Value{r.Input("defaultCacheBehavior")}, r.Input("orderedCacheBehaviors").List()) {
			if behaviour.Hidden() {
				continue
			}
			if detail := test(graph.Resource{Inputs: behaviour.Object()}); detail != "" {
				return detail
			}
		}
		return ""
	}
}

// cdnLogs accepts both ways of logging, the old into a bucket and the new by a
// delivery of CloudWatch.
func cdnLogs(g graph.Graph) []Finding {
	var findings []Finding
	for _, cdn := range g.Of(cdnType) {
		if cdn.Input("loggingConfig", "bucket").Set() {
			continue
		}
		if len(g.Referring("aws:cloudwatch/logDeliverySource:LogDeliverySource", "resourceArn", cdn)) == 0 {
			findings = append(findings, Finding{cdn.URN, "its requests are not logged"})
		}
	}
	return findings
}

func originsHTTPS(r graph.Resource) string {
	for _, origin := range r.Input("origins").List() {
		custom := origin.Field("customOriginConfig")
		if !custom.Set() {
			continue // a bucket, which CloudFront reaches by its own protocol
		}
		if policy := custom.Field("originProtocolPolicy"); !policy.Is("https-only") {
			return "originProtocolPolicy is " + shown(policy)
		}
	}
	return ""
}
