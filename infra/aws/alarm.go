package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// An alarm is a condition under which somebody is called. Its page is the
// runbook docs/runbooks/PAGE.md, which says what it means and what to do.
type alarm struct {
	tier     string // whose it is
	page     string // its name, and its runbook's
	instance string // which of several of the same kind; empty for the only one
	says     string // what is wrong, in a sentence
	global   bool   // the metric is in us-east-1, whatever the stack's region

	metric     metric
	expression string            // over the metrics of with, in place of metric
	with       map[string]metric // by their names in expression

	comparison string  // one of those below
	threshold  float64 // in the metric's unit
	period     int     // seconds of each data point
	points     int     // so many data points in a row
	missing    string  // what no data means, one of those below
}

// A metric is a series of CloudWatch's.
type metric struct {
	namespace  string
	name       string
	statistic  string // Average, Sum, Minimum, Maximum, or a percentile such as p99
	dimensions pulumi.StringMap
}

const (
	above   = "GreaterThanThreshold"
	below   = "LessThanThreshold"
	quiet   = "notBreaching" // no data is well: nothing happened, or there is nothing to measure
	silence = "breaching"    // no data is what the alarm is about
)

// id tells alarms of a stack apart.
func (a alarm) id() string {
	if a.instance == "" {
		return a.page
	}
	return a.page + "-" + a.instance
}

// raise makes an alarm that calls when it begins and when it is over, and gives
// its ARN.
func (o *Observability) raise(ctx *pulumi.Context, name string, a alarm) (pulumi.StringInput, error) {
	where := o.home
	if a.global {
		where = o.global
	}
	inputs := &cloudwatch.MetricAlarmArgs{
		AlarmDescription:   pulumi.String(fmt.Sprintf("%s. Runbook: %s", a.says, runbook(o.spec, a.page))),
		ComparisonOperator: pulumi.String(a.comparison),
		Threshold:          pulumi.Float64(a.threshold),
		EvaluationPeriods:  pulumi.Int(a.points),
		DatapointsToAlarm:  pulumi.Int(a.points),
		TreatMissingData:   pulumi.String(a.missing),
		AlarmActions:       pulumi.Array{where.topic},
		OkActions:          pulumi.Array{where.topic},
		Tags:               pulumi.StringMap{"tier": pulumi.String(a.tier)},
	}
	if a.expression == "" {
		inputs.Namespace = pulumi.String(a.metric.namespace)
		inputs.MetricName = pulumi.String(a.metric.name)
		inputs.Dimensions = a.metric.dimensions
		inputs.Period = pulumi.Int(a.period)
		if a.metric.percentile() {
			inputs.ExtendedStatistic = pulumi.String(a.metric.statistic)
		} else {
			inputs.Statistic = pulumi.String(a.metric.statistic)
		}
	} else {
		inputs.MetricQueries = a.queries()
	}
	made, err := cloudwatch.NewMetricAlarm(ctx, fmt.Sprintf("%s-%s", name, a.id()), inputs,
		append([]pulumi.ResourceOption{pulumi.Parent(o)}, where.opts...)...)
	if err != nil {
		return nil, fmt.Errorf("alarm %s: %w", a.id(), err)
	}
	return made.Arn, nil
}

// percentile tells how CloudWatch wants to hear the statistic.
func (m metric) percentile() bool { return m.statistic[0] == 'p' }

// queries are the metrics of an expression, in the order of their names, and
// the expression, whose result the alarm is about.
func (a alarm) queries() cloudwatch.MetricAlarmMetricQueryArray {
	queries := cloudwatch.MetricAlarmMetricQueryArray{cloudwatch.MetricAlarmMetricQueryArgs{
		Id: pulumi.String("result"), Label: pulumi.String(a.page), Expression: pulumi.String(a.expression), ReturnData: pulumi.Bool(true),
	}}
	for _, id := range sortedKeys(a.with) {
		m := a.with[id]
		queries = append(queries, cloudwatch.MetricAlarmMetricQueryArgs{
			Id: pulumi.String(id),
			Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
				Namespace:  pulumi.String(m.namespace),
				MetricName: pulumi.String(m.name),
				Stat:       pulumi.String(m.statistic),
				Period:     pulumi.Int(a.period),
				Dimensions: m.dimensions,
			},
		})
	}
	return queries
}
