package aws

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	alarmType = "aws:cloudwatch/metricAlarm:MetricAlarm"
	homeTopic = "arn:aws:aws:sns/topic:Topic:trivet-observability"
	runbooks  = "../../docs/runbooks"
)

// namespacesOf are those of the metrics that an alarm is about.
func namespacesOf(alarm registered) []string {
	if namespace, ok := alarm.input("namespace").(string); ok {
		return []string{namespace}
	}
	var all []string
	for i := range alarm.input("metricQueries").([]any) {
		if namespace, ok := alarm.input(fmt.Sprintf("metricQueries[%d].metric.namespace", i)).(string); ok {
			all = append(all, namespace)
		}
	}
	return all
}

func TestEveryTierHasAnAlarm(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		tiers := map[string]string{
			"network": "AWS/NATGateway", "cluster": "ContainerInsights", "cache": "AWS/ElastiCache", "database": "AWS/RDS",
			"edge": "AWS/ApplicationELB", "backup": "AWS/Backup", "observability": "AWS/Logs", "services": servicesNamespace,
		}
		if spec.Broker.Kind != platform.BrokerNone {
			tiers["broker"] = "AWS/AmazonMQ"
		}
		if spec.Audit.Trail {
			tiers["audit"], tiers["identity"] = auditNamespace, auditNamespace
		}
		if spec.Production() {
			tiers["dns"] = "AWS/Route53"
		}
		for tier, namespace := range tiers {
			if !slices.ContainsFunc(made.of(alarmType), func(alarm registered) bool {
				return alarm.input("tags.tier") == tier && slices.Contains(namespacesOf(alarm), namespace)
			}) {
				t.Errorf("%s: no alarm watches %s in %s", name, tier, namespace)
			}
		}
		for _, alarm := range made.of(alarmType) {
			if _, ok := tiers[fmt.Sprint(alarm.input("tags.tier"))]; !ok {
				t.Errorf("%s: %s is of tier %v, which the stack has not", name, alarm.urn(), alarm.input("tags.tier"))
			}
		}
	}
}

// TestEveryAlarmCallsSomebodyWhereItIs holds alarms against their topics: one
// in another region would never be called.
func TestEveryAlarmCallsSomebodyWhereItIs(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		for _, alarm := range made.of(alarmType) {
			topic, provider := homeTopic, "::trivet-aws::"
			if namespace := namespacesOf(alarm)[0]; namespace == "AWS/CloudFront" || namespace == "AWS/Route53" {
				topic, provider = homeTopic+"-global", "::trivet-aws-global::"
			}
			alarm.want(t, map[string]any{"alarmActions": []any{topic}, "okActions": []any{topic}})
			if !strings.Contains(alarm.provider, provider) {
				t.Errorf("%s: %s is made by %s, want %s", name, alarm.urn(), alarm.provider, provider)
			}
		}
		for _, topic := range made.of("aws:sns/topic:Topic") {
			if topic.input("kmsMasterKeyId") == nil {
				t.Errorf("%s: %s is not encrypted", name, topic.urn())
			}
		}
	}
}

func TestInTheGlobalRegionOneTopicIsEnough(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Region = globalRegion
	made := deploy(t, spec)
	for _, alarm := range made.of(alarmType) {
		alarm.want(t, map[string]any{"alarmActions": []any{homeTopic}})
	}
	for _, r := range made.resources {
		if strings.HasPrefix(r.name, "trivet-observability-global") {
			t.Errorf("there is %s", r.urn())
		}
	}
}

func TestAlarmsReachTheirTargets(t *testing.T) {
	t.Parallel()
	const subscriptionType = "aws:sns/topicSubscription:TopicSubscription"
	spec := devSpec()
	deploy(t, spec).the(t, subscriptionType, "trivet-observability-owner").want(t, map[string]any{
		"protocol": "email", "endpoint": "storage@example.com", "topic": homeTopic,
	})
	spec.Observability.AlarmTargets = map[string]string{"oncall": "oncall@example.com", "pager": "https://pager.example.com/hook"}
	made := deploy(t, spec)
	made.the(t, subscriptionType, "trivet-observability-oncall").want(t, map[string]any{"protocol": "email", "endpoint": "oncall@example.com"})
	made.the(t, subscriptionType, "trivet-observability-pager").want(t, map[string]any{"protocol": "https", "endpoint": "https://pager.example.com/hook"})
	if got := made.of(subscriptionType); len(got) != 2 {
		t.Errorf("the subscriptions are %v", names(got))
	}
}

func TestThresholdsFollowTheSpec(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec()) // db.r6g.xlarge: 32 GiB
	made.the(t, alarmType, "trivet-observability-database-memory").want(t, map[string]any{
		"threshold": 0.05 * float64(32<<30), "comparisonOperator": "LessThanThreshold", "dimensions.Role": "WRITER", "dimensions.DBClusterIdentifier": "trivet-prod-aws",
	})
	made.the(t, alarmType, "trivet-observability-database-connections").want(t, map[string]any{"threshold": 0.8 * 3200})
	made.the(t, alarmType, "trivet-observability-edge-targets").want(t, map[string]any{"threshold": 2, "treatMissingData": "breaching"})
	made.the(t, alarmType, "trivet-observability-edge-latency").want(t, map[string]any{"extendedStatistic": "p99", "statistic": nil})
	made.the(t, alarmType, "trivet-observability-cache-cpu-2").want(t, map[string]any{"dimensions.CacheClusterId": "trivet-cache-id-002"})
	made.the(t, alarmType, "trivet-observability-nat-ports-3").want(t, map[string]any{"dimensions.NatGatewayId": "trivet-network-nat-3-id"})
	dev := deploy(t, devSpec())
	dev.the(t, alarmType, "trivet-observability-edge-targets").want(t, map[string]any{"threshold": 1})
	for _, absent := range []string{"cache-lag-1", "database-lag", "broker-backlog", "cdn-errors", "audit-root", "firewall-blocked"} {
		if slices.Contains(names(dev.of(alarmType)), "trivet-observability-"+absent) {
			t.Errorf("a development stack has alarm %s", absent)
		}
	}
}

// TestComputedAlarmsNameWhatTheyComputeWith reads the expressions.
func TestComputedAlarmsNameWhatTheyComputeWith(t *testing.T) {
	t.Parallel()
	computed := 0
	for _, alarm := range deploy(t, prodSpec()).of(alarmType) {
		queries, ok := alarm.input("metricQueries").([]any)
		if !ok {
			continue
		}
		computed++
		alarm.want(t, map[string]any{"metricQueries[0].returnData": true, "namespace": nil, "metricName": nil, "period": nil})
		for i := 1; i < len(queries); i++ {
			id := alarm.input(fmt.Sprintf("metricQueries[%d].id", i)).(string)
			if !strings.Contains(alarm.input("metricQueries[0].expression").(string), id) {
				t.Errorf("%s does not use %s", alarm.urn(), id)
			}
			alarm.want(t, map[string]any{fmt.Sprintf("metricQueries[%d].returnData", i): nil})
		}
	}
	if computed != 3 {
		t.Errorf("%d alarms are computed, want 3", computed)
	}
}

func TestLogsAreWatched(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	const services = "/aws/containerinsights/trivet-prod-aws/application"
	for page, group := range map[string]string{
		"audit-root": "trivet-audit-trail", "audit-trail": "trivet-audit-trail", "audit-keys": "trivet-audit-trail", "identity-denied": "trivet-audit-trail",
		"service-errors": services,
	} {
		filter := made.the(t, "aws:cloudwatch/logMetricFilter:LogMetricFilter", "trivet-observability-"+page)
		filter.want(t, map[string]any{"logGroupName": group, "metricTransformation.value": "1"})
		made.the(t, alarmType, "trivet-observability-"+page).want(t, map[string]any{
			"namespace": filter.input("metricTransformation.namespace"), "metricName": filter.input("metricTransformation.name"),
		})
	}
}

// TestEveryAlarmHasARunbook holds alarms and notices against the pages: each has
// one, each page is somebody's, and the list of pages names them all.
func TestEveryAlarmHasARunbook(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	base := spec.Observability.RunbookURL + "/"
	linked := map[string]bool{"database-failover": true} // RDS's own words, which nobody can add a link to
	made := deploy(t, spec)
	for _, alarm := range made.of(alarmType) {
		description := alarm.input("alarmDescription").(string)
		_, page, found := strings.Cut(description, "Runbook: "+base)
		if !found || !strings.HasSuffix(page, ".md") {
			t.Errorf("%s: %q ends with no page below %s", alarm.urn(), description, base)
		}
		linked[strings.TrimSuffix(page, ".md")] = true
	}
	for _, target := range made.of("aws:cloudwatch/eventTarget:EventTarget") {
		_, page, found := strings.Cut(target.input("inputTransformer.inputTemplate").(string), "Runbook: "+base)
		if !found {
			t.Errorf("%s links no runbook", target.urn())
		}
		linked[strings.TrimSuffix(page, `.md"`)] = true
	}
	list, err := os.ReadFile(filepath.Join(runbooks, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for page := range linked {
		text, err := os.ReadFile(filepath.Join(runbooks, page+".md"))
		if err != nil {
			t.Errorf("%s has no runbook: %v", page, err)
			continue
		}
		for _, heading := range []string{"# " + page + "\n", "\n## Likely causes\n", "\n## Look at\n", "\n## Do\n"} {
			if !strings.Contains(string(text), heading) {
				t.Errorf("%s.md has no %q", page, strings.TrimSpace(heading))
			}
		}
		if !strings.Contains(string(list), "("+page+".md)") {
			t.Errorf("README.md does not list %s", page)
		}
	}
	pages, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name != "README" && !linked[name] {
			t.Errorf("%s is nobody's runbook", page)
		}
	}
}

func TestNoticesTellOfThreatsAndFailedBackups(t *testing.T) {
	t.Parallel()
	const ruleType, targetType = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"
	made := deploy(t, prodSpec())
	for name, source := range map[string]string{"threat": "aws.guardduty", "backup": "aws.backup"} {
		var pattern struct {
			Source []string       `json:"source"`
			Detail map[string]any `json:"detail"`
		}
		rule := made.the(t, ruleType, "trivet-observability-"+name)
		if err := json.Unmarshal([]byte(rule.input("eventPattern").(string)), &pattern); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(pattern.Source, []string{source}) || len(pattern.Detail) == 0 {
			t.Errorf("%s matches %v", rule.urn(), pattern)
		}
		made.the(t, targetType, "trivet-observability-"+name).want(t, map[string]any{"arn": homeTopic, "rule": rule.name})
	}
	if rules := deploy(t, devSpec()).of(ruleType); slices.Contains(names(rules), "trivet-observability-threat") {
		t.Error("a stack without detection of threats tells of them")
	}
	made.the(t, "aws:rds/eventSubscription:EventSubscription", "trivet-observability-database").want(t, map[string]any{
		"sourceType": "db-cluster", "sourceIds": []any{"trivet-prod-aws"}, "snsTopic": homeTopic,
	})
}

// TestPublishersWaitForTheRightTo looks at what alarms and subscriptions depend
// on: RDS refuses a topic whose policy is not there yet.
func TestPublishersWaitForTheRightTo(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, publisher := range []struct{ kind, name, input string }{
		{"aws:rds/eventSubscription:EventSubscription", "trivet-observability-database", "snsTopic"},
		{"aws:budgets/budget:Budget", "trivet-budget", "notifications"},
		{alarmType, "trivet-observability-edge-errors", "alarmActions"},
	} {
		on := made.the(t, publisher.kind, publisher.name).references[publisher.input]
		if !slices.ContainsFunc(on, func(urn string) bool { return strings.Contains(urn, "TopicPolicy::") }) {
			t.Errorf("%s %s waits for %v", publisher.kind, publisher.name, on)
		}
	}
}

// TestTopicsTakeNoticesOfThisAccountAlone reads who may publish.
func TestTopicsTakeNoticesOfThisAccountAlone(t *testing.T) {
	t.Parallel()
	for _, topic := range deploy(t, prodSpec()).of("aws:sns/topicPolicy:TopicPolicy") {
		for _, s := range topic.policy(t, "policy") {
			if len(s.Principal["AWS"]) > 0 || len(s.Condition["StringEquals"]) == 0 {
				t.Errorf("%s: %s lets %v in under %v", topic.urn(), s.Sid, s.Principal, s.Condition)
			}
		}
	}
}
