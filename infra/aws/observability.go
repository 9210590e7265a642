package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// publishers are the services that notices come from.
var publishers = []string{
	"cloudwatch.amazonaws.com", // alarms
	"events.amazonaws.com",     // threats, failed backups
	"events.rds.amazonaws.com", // failovers
	"budgets.amazonaws.com",
}

// Observability is alarms for every tier, the topic that they are sent to, and
// the dashboard.
type Observability struct {
	pulumi.ResourceState

	TopicARN     pulumi.StringOutput // alarms and notices go there
	DashboardURL pulumi.StringOutput
	LogsURL      pulumi.StringOutput // of what the services write

	spec   platform.Spec
	home   region
	global region // us-east-1, where DNS and the CDN are measured; home, where that is the stack's region
}

// region is where alarms are: an alarm and its topic have to be where the
// metric is.
type region struct {
	topic pulumi.StringOutput
	opts  []pulumi.ResourceOption
}

// ObservabilityArgs are the tiers to be watched.
type ObservabilityArgs struct {
	Spec      platform.Spec
	Account   Account
	Providers *Providers
	Keys      *Keys
	Network   *Network
	Cluster   *Cluster
	Cache     *Cache
	Database  *Database
	Broker    *Broker // nil without a broker
	Edge      *Edge
	Audit     *Audit
	Backup    *Backup
}

// NewObservability registers the topic, the alarms of every tier, notices of
// what is no metric, and the dashboard.
func NewObservability(ctx *pulumi.Context, name string, args ObservabilityArgs, opts ...pulumi.ResourceOption) (*Observability, error) {
	o := &Observability{spec: args.Spec}
	if err := ctx.RegisterComponentResource(componentType("Observability"), name, o, opts...); err != nil {
		return nil, err
	}
	var err error
	if o.home.topic, err = o.addTopic(ctx, name, args.Account, args.Keys.Logs.Arn); err != nil {
		return nil, err
	}
	o.TopicARN = o.home.topic
	if o.global, err = o.globalRegion(ctx, name, args); err != nil {
		return nil, err
	}

	raised := map[string]pulumi.StringInput{}
	for _, a := range slices.Concat(
		networkAlarms(args), clusterAlarms(args), cacheAlarms(args), databaseAlarms(args), brokerAlarms(args),
		edgeAlarms(args), backupAlarms(args), observabilityAlarms(args),
	) {
		if raised[a.id()], err = o.raise(ctx, name, a); err != nil {
			return nil, err
		}
	}
	errors, services := serviceErrors(), pulumi.String(containerLogGroup(args.Spec, "application"))
	if raised[errors.id()], err = o.raiseFromLogs(ctx, name, errors, services, pulumi.DependsOn([]pulumi.Resource{args.Cluster})); err != nil {
		return nil, err
	}
	if args.Audit.TrailLogGroup != nil {
		for _, a := range auditAlarms() {
			if raised[a.id()], err = o.raiseFromLogs(ctx, name, a, *args.Audit.TrailLogGroup); err != nil {
				return nil, err
			}
		}
	}
	if err := o.addNotices(ctx, name, args); err != nil {
		return nil, err
	}
	if err := o.addDashboard(ctx, name, args, raised); err != nil {
		return nil, err
	}
	o.LogsURL = pulumi.String(logsURL(args.Spec)).ToStringOutput()
	return o, ctx.RegisterResourceOutputs(o, pulumi.Map{
		"topicArn":     o.TopicARN,
		"dashboardUrl": o.DashboardURL,
		"logsUrl":      o.LogsURL,
	})
}

// globalRegion is where what has no region is measured.
func (o *Observability) globalRegion(ctx *pulumi.Context, name string, args ObservabilityArgs) (region, error) {
	if args.Spec.Region == globalRegion || len(globalAlarms(args)) == 0 {
		return o.home, nil
	}
	there, opts := args.Account, []pulumi.ResourceOption{pulumi.Provider(args.Providers.Global)}
	there.Region = globalRegion
	key, err := newKey(ctx, name+"-global", keyArgs{
		Spec: args.Spec, Account: there, Description: "Alarms of DNS and CDN", Services: []statement{publishAlarms(there)},
	}, o, opts...)
	if err != nil {
		return region{}, err
	}
	topic, err := o.addTopic(ctx, name+"-global", there, key.Arn, opts...)
	return region{topic: topic, opts: opts}, err
}

// addTopic makes a topic of notices with its subscribers, and gives its ARN.
// Mailboxes get a message with a link to be confirmed; until then they get no
// notices.
func (o *Observability) addTopic(ctx *pulumi.Context, name string, account Account, key pulumi.StringInput, opts ...pulumi.ResourceOption) (pulumi.StringOutput, error) {
	options := append([]pulumi.ResourceOption{pulumi.Parent(o)}, opts...)
	topic, err := sns.NewTopic(ctx, name, &sns.TopicArgs{
		DisplayName:    pulumi.String("Trivet " + o.spec.Stack),
		KmsMasterKeyId: key,
	}, options...)
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("topic of alarms: %w", err)
	}
	publish, err := sns.NewTopicPolicy(ctx, name, &sns.TopicPolicyArgs{
		Arn: topic.Arn,
		Policy: policyOf(pulumi.StringArray{topic.Arn}, func(values []string) []statement {
			return []statement{{
				Sid: "Notices", Effect: allow, Principal: service(publishers...),
				Action: []string{"sns:Publish"}, Resource: []string{values[0]},
				Condition: conditions{"StringEquals": {"aws:SourceAccount": {account.ID}}},
			}}
		}),
	}, options...)
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("policy of the topic of alarms: %w", err)
	}
	targets := alarmTargets(o.spec)
	for _, who := range sortedKeys(targets) {
		protocol := "email"
		if strings.HasPrefix(targets[who], "https://") {
			protocol = "https"
		}
		if _, err := sns.NewTopicSubscription(ctx, fmt.Sprintf("%s-%s", name, who), &sns.TopicSubscriptionArgs{
			Topic:    topic.Arn,
			Protocol: pulumi.String(protocol),
			Endpoint: pulumi.String(targets[who]),
		}, options...); err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("subscription of %s to alarms: %w", who, err)
		}
	}
	return publish.Arn, nil // so that publishers wait for the right to: RDS refuses a topic that it may not publish to
}

// alarmTargets are who is told, by name. The owner is told where nobody else is.
func alarmTargets(spec platform.Spec) map[string]string {
	if len(spec.Observability.AlarmTargets) > 0 || spec.OwnerEmail == "" {
		return spec.Observability.AlarmTargets
	}
	return map[string]string{"owner": spec.OwnerEmail}
}

// runbook is the page of what an alarm or a notice means and what to do.
func runbook(spec platform.Spec, page string) string {
	return strings.TrimSuffix(spec.Observability.RunbookURL, "/") + "/" + page + ".md"
}

// consoleURL is a page of CloudWatch's console.
func consoleURL(spec platform.Spec, fragment string) string {
	return fmt.Sprintf("https://%[1]s.console.aws.amazon.com/cloudwatch/home?region=%[1]s#%[2]s", spec.Region, fragment)
}

// logsURL is where the services' logs are read. The console wants a group's
// name escaped twice, with $ for the second percent sign.
func logsURL(spec platform.Spec) string {
	return consoleURL(spec, "logsV2:log-groups/log-group/"+strings.ReplaceAll(containerLogGroup(spec, "application"), "/", "$252F"))
}

// addDashboard makes the one page that shows how every tier is.
func (o *Observability) addDashboard(ctx *pulumi.Context, name string, args ObservabilityArgs, alarms map[string]pulumi.StringInput) error {
	title := args.Spec.Observability.DashboardName
	if title == "" {
		title = physicalName(args.Spec)
	}
	if _, err := cloudwatch.NewDashboard(ctx, name, &cloudwatch.DashboardArgs{
		DashboardName: pulumi.String(title),
		DashboardBody: dashboard(args, alarms),
	}, pulumi.Parent(o)); err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	o.DashboardURL = pulumi.String(consoleURL(args.Spec, "dashboards/dashboard/"+title)).ToStringOutput()
	return nil
}
