package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Where what is counted in logs is found as a metric.
const (
	auditNamespace    = "Trivet/Audit"
	servicesNamespace = "Trivet/Services"
)

// A logAlarm is raised by log lines that match a pattern.
type logAlarm struct {
	alarm
	namespace string // of the metric that counts them
	pattern   string // of CloudWatch Logs
}

// auditAlarms watch who does what to the account.
func auditAlarms() []logAlarm {
	once := func(page, tier, says, pattern string) logAlarm {
		return logAlarm{
			alarm:     alarm{tier: tier, page: page, says: says, comparison: above, threshold: 0, period: 300, points: 1, missing: quiet},
			namespace: auditNamespace, pattern: pattern,
		}
	}
	denied := once("identity-denied", "identity",
		"More than twenty requests to AWS were denied in five minutes",
		`{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }`)
	denied.threshold, denied.points = 20, 2 // single ones happen whenever somebody looks around in the console
	return []logAlarm{
		once("audit-root", "audit", "Somebody used the account's root user",
			`{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != "AwsServiceEvent") }`),
		once("audit-trail", "audit", "Somebody changed or stopped the audit trail",
			`{ ($.eventName = "StopLogging") || ($.eventName = "DeleteTrail") || ($.eventName = "UpdateTrail") || ($.eventName = "PutEventSelectors") }`),
		once("audit-keys", "audit", "Somebody disabled a key or scheduled its deletion",
			`{ ($.eventSource = "kms.amazonaws.com") && (($.eventName = "DisableKey") || ($.eventName = "ScheduleKeyDeletion")) }`),
		denied,
	}
}

// serviceErrors is raised by what the services themselves call an error. The
// collector puts a line that is JSON into log_processed.
func serviceErrors() logAlarm {
	return logAlarm{
		alarm: alarm{
			tier: "services", page: "service-errors",
			says:       "The services log more than ten errors a minute",
			comparison: above, threshold: 50, period: 300, points: 2, missing: quiet,
		},
		namespace: servicesNamespace,
		pattern:   fmt.Sprintf(`{ ($.kubernetes.namespace_name = %q) && ($.log_processed.level = "ERROR") }`, namespace),
	}
}

// raiseFromLogs counts lines that match, and makes an alarm of it.
func (o *Observability) raiseFromLogs(ctx *pulumi.Context, name string, a logAlarm, logGroup pulumi.StringInput, opts ...pulumi.ResourceOption) (pulumi.StringInput, error) {
	// Filters of the account share a namespace, so that the stack is in the metric's name.
	a.metric = metric{namespace: a.namespace, name: fmt.Sprintf("%s/%s", physicalName(o.spec), a.page), statistic: "Sum"}
	if _, err := cloudwatch.NewLogMetricFilter(ctx, fmt.Sprintf("%s-%s", name, a.page), &cloudwatch.LogMetricFilterArgs{
		LogGroupName: logGroup,
		Pattern:      pulumi.String(a.pattern),
		MetricTransformation: cloudwatch.LogMetricFilterMetricTransformationArgs{
			Namespace: pulumi.String(a.metric.namespace),
			Name:      pulumi.String(a.metric.name),
			Value:     pulumi.String("1"),
		},
	}, append(opts, pulumi.Parent(o))...); err != nil {
		return nil, fmt.Errorf("count of %s: %w", a.page, err)
	}
	return o.raise(ctx, name, a.alarm)
}
