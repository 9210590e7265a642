package aws

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Audit is the record of what was done to the account and to its buckets, and
// of what looks like an attack.
type Audit struct {
	pulumi.ResourceState

	AccessLogs    pulumi.StringOutput  // name of the bucket that other buckets report their requests to
	TrailLogGroup *pulumi.StringOutput // name of the trail's log group; nil without a trail
}

// AuditArgs are what the audit trail depends on.
type AuditArgs struct {
	Spec    platform.Spec
	Account Account
	Keys    *Keys
}

// NewAudit registers the record of requests to buckets, and the trail and the
// detection of threats where the stack wants them.
func NewAudit(ctx *pulumi.Context, name string, args AuditArgs, opts ...pulumi.ResourceOption) (*Audit, error) {
	audit := &Audit{}
	if err := ctx.RegisterComponentResource(componentType("Audit"), name, audit, opts...); err != nil {
		return nil, err
	}
	requests, err := newBucket(ctx, name+"-requests", bucketArgs{
		Spec: args.Spec,
		Days: args.Spec.Audit.LogDays, OldDays: 7, ArchiveDay: archiveDay(args.Spec.Audit.LogDays),
		Statements: func(bucketARN string) []statement { return []statement{deliverRequests(args.Account, bucketARN)} },
	}, audit)
	if err != nil {
		return nil, err
	}
	audit.AccessLogs = requests.Bucket
	outputs := pulumi.Map{"accessLogs": audit.AccessLogs}

	if args.Spec.Audit.Trail {
		group, err := addTrail(ctx, name, args, audit.AccessLogs, audit)
		if err != nil {
			return nil, err
		}
		audit.TrailLogGroup = &group
		outputs["trailLogGroup"] = group
	}
	if args.Spec.Observability.ThreatDetect {
		if err := addThreatDetection(ctx, name, args, audit); err != nil {
			return nil, err
		}
	}
	return audit, ctx.RegisterResourceOutputs(audit, outputs)
}

// deliverRequests lets S3 write the record of requests to this account's
// buckets. S3 writes it with its own encryption alone.
func deliverRequests(account Account, bucketARN string) statement {
	return statement{
		Sid: "RequestsToBuckets", Effect: allow, Principal: service("logging.s3.amazonaws.com"),
		Action: []string{"s3:PutObject"}, Resource: []string{bucketARN + "/s3/*"},
		Condition: conditions{"StringEquals": {"aws:SourceAccount": {account.ID}}},
	}
}

// archiveDay is at what age, in days, records that are kept for so long are
// cheaper in archive storage, which charges for 90 days at least.
func archiveDay(keptDays int) int {
	const minimum = 90
	if keptDays < 2*minimum {
		return 0
	}
	return minimum
}

// trailName is known before the trail is: policies of what it writes to name it.
func trailName(spec platform.Spec) string { return physicalName(spec) }

// trailARN is likewise.
func trailARN(spec platform.Spec, account Account) string {
	return account.arn("cloudtrail", fmt.Sprintf("trail/%s", trailName(spec)))
}
