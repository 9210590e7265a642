package guardrails

import (
	"github.com/trivetkv/trivet/infra/graph"
)

const trailType = "aws:cloudtrail/trail:Trail"

var auditRules = []Rule{
	{
		Name:       "audit-trail-everywhere",
		Reason:     "an intruder works in the region that nobody watches",
		IDs:        []string{"CKV_AWS_67", "AVD-AWS-0014", "CloudTrail.1"},
		Fix:        "pulumi config set --path trivet:audit.trail true",
		Production: true,
		Check:      some(trailType, is("isMultiRegionTrail", true), either(absent("enableLogging"), is("enableLogging", true))),
	},
	{
		Name:   "audit-trail-validated",
		Reason: "records that can be changed unseen prove nothing",
		IDs:    []string{"CKV_AWS_36", "AVD-AWS-0016", "CloudTrail.4"},
		Fix:    "set enableLogFileValidation of the trail to true",
		Check:  each([]string{trailType}, is("enableLogFileValidation", true)),
	},
	{
		Name:   "audit-trail-encrypted",
		Reason: "only with the stack's own key can access to the records be withdrawn and seen",
		IDs:    []string{"CKV_AWS_35", "AVD-AWS-0015", "CloudTrail.2"},
		Fix:    "set kmsKeyId of the trail to the stack's own key",
		Check:  each([]string{trailType}, given("kmsKeyId")),
	},
	{
		Name:   "audit-trail-watched",
		Reason: "records that only lie in a bucket are read when it is too late",
		IDs:    []string{"CKV2_AWS_10", "CloudTrail.5"},
		Fix:    "set cloudWatchLogsGroupArn and cloudWatchLogsRoleArn of the trail",
		Check:  each([]string{trailType}, given("cloudWatchLogsGroupArn"), given("cloudWatchLogsRoleArn")),
	},
	{
		Name:   "audit-trail-announced",
		Reason: "nobody would notice that records stopped coming",
		IDs:    []string{"CKV_AWS_252"},
		Fix:    "set snsTopicName of the trail",
		Check:  each([]string{trailType}, given("snsTopicName")),
	},
	{
		Name:       "audit-kept-a-year",
		Reason:     "what is asked for after an intrusion is often older than a quarter",
		IDs:        []string{"CKV_AWS_338", "CloudWatch.16"},
		Fix:        "pulumi config set --path trivet:audit.logDays 400",
		Production: true,
		Check:      whole(auditKept),
	},
}

// auditKept judges the log groups that a trail or a control plane writes to.
func auditKept(g graph.Graph) []Finding {
	var findings []Finding
	kept := either(atLeast("retentionInDays", 365), is("retentionInDays", 0.0))
	for _, trail := range g.Of(trailType) {
		for _, group := range g.Of(logGroupType) {
			if !trail.RefersTo(group, "cloudWatchLogsGroupArn") {
				continue
			}
			if detail := kept(group); detail != "" {
				findings = append(findings, Finding{group.URN, detail})
			}
		}
	}
	return findings
}
