package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// trailNamespace is where what is counted in the trail is found as a metric.
const trailNamespace = "Trivet/Audit"

// A trailAlarm is raised by records of the trail that match a pattern.
type trailAlarm struct {
	alarm
	pattern string // of CloudWatch Logs
}

// auditAlarms watch who does what to the account.
func auditAlarms() []trailAlarm {
	once := func(page, tier, says, pattern string) trailAlarm {
		return trailAlarm{
			alarm:   alarm{tier: tier, page: page, says: says, comparison: above, threshold: 0, period: 300, points: 1, missing: quiet},
			pattern: pattern,
		}
	}
	denied := once("identity-denied", "identity",
		"More than twenty requests to AWS were denied in five minutes",
		`{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }`)
	denied.threshold, denied.points = 20, 2 // single ones happen whenever somebody looks around in the console
	return []trailAlarm{
		once("audit-root", "audit", "Somebody used the account's root user",
			`{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != "AwsServiceEvent") }`),
		once("audit-trail", "audit", "Somebody changed or stopped the audit trail",
			`{ ($.eventName = "StopLogging") || ($.eventName = "DeleteTrail") || ($.eventName = "UpdateTrail") || ($.eventName = "PutEventSelectors") }`),
		once("audit-keys", "audit", "Somebody disabled a key or scheduled its deletion",
			`{ ($.eventSource = "kms.amazonaws.com") && (($.eventName = "DisableKey") || ($.eventName = "ScheduleKeyDeletion")) }`),
		denied,
	}
}

// raiseFromTrail counts records that match, and makes an alarm of it.
func (o *Observability) raiseFromTrail(ctx *pulumi.Context, name string, a trailAlarm, logGroup pulumi.StringInput) (pulumi.StringInput, error) {
	// Filters of the account share a namespace, so that the stack is in the metric's name.
	a.metric = metric{namespace: trailNamespace, name: fmt.Sprintf("%s/%s", physicalName(o.spec), a.page), statistic: "Sum"}
	if _, err := cloudwatch.NewLogMetricFilter(ctx, fmt.Sprintf("%s-%s", name, a.page), &cloudwatch.LogMetricFilterArgs{
		LogGroupName: logGroup,
		Pattern:      pulumi.String(a.pattern),
		MetricTransformation: cloudwatch.LogMetricFilterMetricTransformationArgs{
			Namespace: pulumi.String(a.metric.namespace),
			Name:      pulumi.String(a.metric.name),
			Value:     pulumi.String("1"),
		},
	}, pulumi.Parent(o)); err != nil {
		return nil, fmt.Errorf("count of %s: %w", a.page, err)
	}
	return o.raise(ctx, name, a.alarm)
}
