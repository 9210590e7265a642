package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudtrail"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// addTrail records every call to AWS in the account, in all regions: in a
// bucket that nobody can change, and in a log group that alarms watch. It gives
// the log group's name.
func addTrail(ctx *pulumi.Context, name string, args AuditArgs, accessLogs pulumi.StringInput, parent pulumi.Resource) (pulumi.StringOutput, error) {
	none := pulumi.StringOutput{}
	records, err := newBucket(ctx, name+"-trail", bucketArgs{
		Spec: args.Spec, Key: args.Keys.Audit, AccessLogs: accessLogs,
		Days: args.Spec.Audit.LogDays, OldDays: 30, ArchiveDay: archiveDay(args.Spec.Audit.LogDays), LockDays: args.Spec.Audit.LockDays,
		Statements: func(bucketARN string) []statement { return deliverTrail(args, bucketARN) },
	}, parent)
	if err != nil {
		return none, err
	}
	topic, announced, err := newTrailTopic(ctx, name, args, parent)
	if err != nil {
		return none, err
	}
	group, err := cloudwatch.NewLogGroup(ctx, name+"-trail", &cloudwatch.LogGroupArgs{
		RetentionInDays: pulumi.Int(args.Spec.Audit.LogDays),
		KmsKeyId:        args.Keys.Audit.Arn,
	}, stateful(args.Spec, parent))
	if err != nil {
		return none, fmt.Errorf("log group of the trail: %w", err)
	}
	role, rights, err := newTrailRole(ctx, name, args, group, parent)
	if err != nil {
		return none, err
	}
	if _, err := cloudtrail.NewTrail(ctx, name, &cloudtrail.TrailArgs{
		Name:                       pulumi.String(trailName(args.Spec)),
		S3BucketName:               records.Bucket,
		KmsKeyId:                   args.Keys.Audit.Arn, // CKV_AWS_35
		IsMultiRegionTrail:         pulumi.Bool(true),   // CKV_AWS_67
		IncludeGlobalServiceEvents: pulumi.Bool(true),
		EnableLogFileValidation:    pulumi.Bool(true), // CKV_AWS_36
		EnableLogging:              pulumi.Bool(true),
		SnsTopicName:               topic,                             // CKV_AWS_252
		CloudWatchLogsGroupArn:     pulumi.Sprintf("%s:*", group.Arn), // CKV2_AWS_10
		CloudWatchLogsRoleArn:      role,
	}, guarded(args.Spec, parent), pulumi.DependsOn(append(records.ready, announced, rights))); err != nil {
		return none, fmt.Errorf("trail: %w", err)
	}
	return group.Name, nil
}

// deliverTrail lets this stack's trail, and no other, write to its bucket.
func deliverTrail(args AuditArgs, bucketARN string) []statement {
	itself := conditions{"StringEquals": {"aws:SourceArn": {trailARN(args.Spec, args.Account)}}}
	return []statement{
		{
			Sid: "TrailLooks", Effect: allow, Principal: service("cloudtrail.amazonaws.com"),
			Action: []string{"s3:GetBucketAcl"}, Resource: []string{bucketARN}, Condition: itself,
		},
		{
			Sid: "TrailWrites", Effect: allow, Principal: service("cloudtrail.amazonaws.com"),
			Action: []string{"s3:PutObject"}, Resource: []string{fmt.Sprintf("%s/AWSLogs/%s/*", bucketARN, args.Account.ID)},
			Condition: conditions{"StringEquals": {
				"aws:SourceArn": {trailARN(args.Spec, args.Account)},
				"s3:x-amz-acl":  {"bucket-owner-full-control"},
			}},
		},
	}
}

// newTrailTopic makes the topic that says when new records are there, and
// gives its ARN and the policy to wait for.
func newTrailTopic(ctx *pulumi.Context, name string, args AuditArgs, parent pulumi.Resource) (pulumi.StringOutput, pulumi.Resource, error) {
	topic, err := sns.NewTopic(ctx, name+"-trail", &sns.TopicArgs{
		KmsMasterKeyId: args.Keys.Audit.Arn,
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, nil, fmt.Errorf("topic of the trail: %w", err)
	}
	rights, err := sns.NewTopicPolicy(ctx, name+"-trail", &sns.TopicPolicyArgs{
		Arn: topic.Arn,
		Policy: policyOf(pulumi.StringArray{topic.Arn}, func(values []string) []statement {
			return []statement{{
				Sid: "Trail", Effect: allow, Principal: service("cloudtrail.amazonaws.com"),
				Action: []string{"sns:Publish"}, Resource: []string{values[0]},
				Condition: conditions{"StringEquals": {"aws:SourceArn": {trailARN(args.Spec, args.Account)}}},
			}}
		}),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, nil, fmt.Errorf("policy of the trail's topic: %w", err)
	}
	return topic.Arn, rights, nil
}

// newTrailRole makes the role in which CloudTrail writes to the log group, and
// gives its ARN and the rights to wait for.
func newTrailRole(ctx *pulumi.Context, name string, args AuditArgs, group *cloudwatch.LogGroup, parent pulumi.Resource) (pulumi.StringOutput, pulumi.Resource, error) {
	role, err := iam.NewRole(ctx, name+"-trail", &iam.RoleArgs{
		Description: pulumi.String("Writes the trail to its log group"),
		AssumeRolePolicy: pulumi.String(policy(statement{
			Effect: allow, Principal: service("cloudtrail.amazonaws.com"), Action: []string{"sts:AssumeRole"},
			Condition: conditions{"StringEquals": {"aws:SourceArn": {trailARN(args.Spec, args.Account)}}},
		})),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, nil, fmt.Errorf("role of the trail: %w", err)
	}
	rights, err := iam.NewRolePolicy(ctx, name+"-trail", &iam.RolePolicyArgs{
		Role: role.ID(),
		Policy: policyOf(pulumi.StringArray{group.Arn}, func(values []string) []statement {
			return []statement{{
				Effect: allow,
				Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resource: []string{values[0] + ":log-stream:*"},
			}}
		}),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, nil, fmt.Errorf("rights of the trail: %w", err)
	}
	return role.Arn, rights, nil
}
