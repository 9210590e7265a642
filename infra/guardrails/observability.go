package guardrails

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	logGroupType = "aws:cloudwatch/logGroup:LogGroup"
	alarmType    = "aws:cloudwatch/metricAlarm:MetricAlarm"
	awsProvider  = "pulumi:providers:aws"
)

var observabilityRules = []Rule{
	{
		Name:       "logs-kept",
		Reason:     "most intrusions are noticed after weeks",
		IDs:        []string{"CKV_AWS_66", "CKV_AWS_338", "CloudWatch.16"},
		Fix:        "pulumi config set --path trivet:observability.logDays 90",
		Production: true,
		Check:      each([]string{logGroupType}, either(atLeast("retentionInDays", 90), is("retentionInDays", 0.0))),
	},
	{
		Name:   "logs-encrypted",
		Reason: "only with the stack's own key can access to logs be withdrawn and seen",
		IDs:    []string{"CKV_AWS_158", "AVD-AWS-0017"},
		Fix:    "set kmsKeyId of the log group to the stack's own key",
		Check:  each([]string{logGroupType}, given("kmsKeyId")),
	},
	{
		Name:       "alarms-for-each-part",
		Reason:     "a part without an alarm fails until a user complains",
		IDs:        []string{"REL06-BP03"},
		Fix:        "add a MetricAlarm in the namespace of the part",
		Production: true,
		Check:      whole(alarmsForEachPart),
	},
	{
		Name:   "alarms-have-runbooks",
		Reason: "an alarm at night that does not say what to do is two problems",
		IDs:    []string{"OPS10-BP02"},
		Fix:    "end alarmDescription of the alarm with the URL of its runbook",
		Check:  each([]string{alarmType}, linksRunbook),
	},
	{
		Name:   "alarms-reach-somebody",
		Reason: "an alarm that tells nobody is a graph",
		IDs:    []string{"CKV_AWS_319", "CloudWatch.15", "CloudWatch.17"},
		Fix:    "set alarmActions of the alarm to the topic of alerts",
		Check:  each([]string{alarmType}, given("alarmActions"), either(absent("actionsEnabled"), is("actionsEnabled", true))),
	},
	{
		Name:   "budget-alerts",
		Reason: "a mistake that costs money is found in the invoice",
		IDs:    []string{"COST03-BP05"},
		Fix:    "pulumi config set --path trivet:budget.monthlyUSD 2000",
		Check:  some("aws:budgets/budget:Budget", alertsAt(50, 80, 100)),
	},
	{
		Name:       "threat-detection",
		Reason:     "stolen credentials are noticed by what they do, or not at all",
		IDs:        []string{"CKV2_AWS_3", "GuardDuty.1"},
		Fix:        "pulumi config set --path trivet:observability.threatDetection true",
		Production: true,
		Check:      some("aws:guardduty/detector:Detector", either(absent("enable"), is("enable", true))),
	},
	{
		Name:   "everything-tagged",
		Reason: "a resource without an owner is never switched off, and nobody knows who pays",
		IDs:    []string{"COST03-BP02"},
		Fix:    "pulumi config set trivet:owner TEAM; pulumi config set trivet:costCentre NUMBER",
		Check:  each([]string{awsProvider}, tags("owner", "env", "cost-centre", "stack")),
	},
}

// namespaces are where the metrics of a type of resource are, one of them.
var namespaces = map[string][]string{
	databaseType: {"AWS/RDS"},
	cacheType:    {"AWS/ElastiCache"},
	brokerType:   {"AWS/AmazonMQ"},
	balancerType: {"AWS/ApplicationELB"},
	clusterType:  {"ContainerInsights", "AWS/EKS"},
}

func alarmsForEachPart(g graph.Graph) []Finding {
	var findings []Finding
	for kind, wanted := range namespaces {
		for _, r := range g.Of(kind) {
			watched := slices.ContainsFunc(g.Of(alarmType), func(alarm graph.Resource) bool {
				return slices.ContainsFunc(alarmNamespaces(alarm), func(n string) bool { return slices.Contains(wanted, n) })
			})
			if !watched {
				findings = append(findings, Finding{r.URN, "there is no alarm in " + strings.Join(wanted, " or ")})
			}
		}
	}
	return findings
}

// alarmNamespaces are those of an alarm's metric, or of those it computes with.
func alarmNamespaces(alarm graph.Resource) []string {
	found := []string{alarm.Input("namespace").Text()}
	for _, query := range alarm.Input("metricQueries").List() {
		found = append(found, query.Field("metric", "namespace").Text())
	}
	return found
}

func linksRunbook(r graph.Resource) string {
	description := r.Input("alarmDescription")
	if !description.Hidden() && !strings.Contains(description.Text(), "https://") {
		return "alarmDescription links no runbook"
	}
	return ""
}

// alertsAt wants notices at shares of a budget, in percent.
func alertsAt(shares ...float64) Test {
	return func(r graph.Resource) string {
		for _, share := range shares {
			if !slices.ContainsFunc(r.Input("notifications").List(), func(n graph.Value) bool {
				return n.Hidden() || n.Field("threshold").Is(share)
			}) {
				return fmt.Sprintf("there is no notice at %v %%", share)
			}
		}
		return ""
	}
}

// tags wants tags that the provider puts on everything. A provider gets its
// settings as JSON within strings.
func tags(names ...string) Test {
	return func(r graph.Resource) string {
		given := r.Input("defaultTags")
		if given.Text() != "" {
			given = given.Decoded()
		}
		for _, name := range names {
			if !given.Field("tags", name).Set() {
				return "tag " + name + " is not set"
			}
		}
		return ""
	}
}
