package aws

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// A notice tells of an event, which is no metric that an alarm could watch. Its
// page is a runbook, as an alarm's is.
type notice struct {
	name    string
	page    string
	says    string
	about   string // path of what the event is about
	pattern map[string]any
}

// notices are the events that somebody has to know of. Those of AWS Backup are
// the account's: what fails to be backed up is wrong, whoever's it is.
func notices(args ObservabilityArgs) []notice {
	made := []notice{{
		name: "backup", page: "backup-failed", says: "A backup or its copy failed", about: "$.detail.resourceArn",
		pattern: map[string]any{
			"source":      []string{"aws.backup"},
			"detail-type": []string{"Backup Job State Change", "Copy Job State Change"},
			"detail":      map[string]any{"state": []string{"FAILED", "EXPIRED", "ABORTED"}},
		},
	}}
	if args.Spec.Observability.ThreatDetect {
		made = append(made, notice{
			name: "threat", page: "threat-finding", says: "GuardDuty found a threat", about: "$.detail.title",
			pattern: map[string]any{
				"source":      []string{"aws.guardduty"},
				"detail-type": []string{"GuardDuty Finding"},
				"detail":      map[string]any{"severity": []any{map[string]any{"numeric": []any{">=", 7}}}}, // high and critical
			},
		})
	}
	return made
}

// addNotices sends events to the topic, and what RDS says of the database.
func (o *Observability) addNotices(ctx *pulumi.Context, name string, args ObservabilityArgs) error {
	for _, n := range notices(args) {
		pattern, err := json.Marshal(n.pattern)
		if err != nil {
			return fmt.Errorf("pattern of notice %s: %w", n.name, err)
		}
		rule, err := cloudwatch.NewEventRule(ctx, fmt.Sprintf("%s-%s", name, n.name), &cloudwatch.EventRuleArgs{
			Description:  pulumi.String(n.says),
			EventPattern: pulumi.String(pattern),
		}, pulumi.Parent(o))
		if err != nil {
			return fmt.Errorf("notice %s: %w", n.name, err)
		}
		if _, err := cloudwatch.NewEventTarget(ctx, fmt.Sprintf("%s-%s", name, n.name), &cloudwatch.EventTargetArgs{
			Rule: rule.Name,
			Arn:  o.home.topic,
			InputTransformer: cloudwatch.EventTargetInputTransformerArgs{
				InputPaths:    pulumi.StringMap{"about": pulumi.String(n.about), "time": pulumi.String("$.time")},
				InputTemplate: pulumi.String(fmt.Sprintf(`"%s, at <time>: <about>. Runbook: %s"`, n.says, runbook(o.spec, n.page))),
			},
		}, pulumi.Parent(o)); err != nil {
			return fmt.Errorf("target of notice %s: %w", n.name, err)
		}
	}
	if _, err := rds.NewEventSubscription(ctx, name+"-database", &rds.EventSubscriptionArgs{
		SnsTopic:        o.home.topic,
		SourceType:      pulumi.String("db-cluster"),
		SourceIds:       pulumi.StringArray{args.Database.ClusterID},
		EventCategories: pulumi.ToStringArray([]string{"failover", "failure", "maintenance", "notification"}),
	}, pulumi.Parent(o)); err != nil {
		return fmt.Errorf("notices of the database: %w", err)
	}
	return nil
}
