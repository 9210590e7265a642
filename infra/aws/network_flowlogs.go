package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// addFlowLogs records every connection, taken or refused, for ten minutes at a
// time: the shorter interval has more rows and answers no further question.
func (n *Network) addFlowLogs(ctx *pulumi.Context, name string, args NetworkArgs) error {
	group, err := cloudwatch.NewLogGroup(ctx, name+"-flows", &cloudwatch.LogGroupArgs{
		RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
		KmsKeyId:        args.Keys.Logs.Arn,
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("log group of flow logs: %w", err)
	}
	role, err := iam.NewRole(ctx, name+"-flows", &iam.RoleArgs{
		Description: pulumi.String("Writes flow logs of the network"),
		AssumeRolePolicy: pulumi.String(policy(statement{
			Effect: allow, Principal: service("vpc-flow-logs.amazonaws.com"), Action: []string{"sts:AssumeRole"},
			Condition: conditions{"StringEquals": {"aws:SourceAccount": {args.Account.ID}}},
		})),
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("role of flow logs: %w", err)
	}
	rights, err := iam.NewRolePolicy(ctx, name+"-flows", &iam.RolePolicyArgs{
		Role: role.Name,
		Policy: policyOf(pulumi.StringArray{group.Arn}, func(values []string) []statement {
			return []statement{{
				Effect: allow,
				Action: []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}, Resource: []string{values[0] + ":*"},
			}}
		}),
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("rights of flow logs: %w", err)
	}
	if _, err := ec2.NewFlowLog(ctx, name+"-flows", &ec2.FlowLogArgs{
		VpcId:                  n.VPCID,
		TrafficType:            pulumi.String("ALL"),
		LogDestinationType:     pulumi.String("cloud-watch-logs"),
		LogDestination:         group.Arn,
		IamRoleArn:             role.Arn,
		MaxAggregationInterval: pulumi.Int(600),
		Tags:                   named(name + "-flows"),
	}, pulumi.Parent(n), pulumi.DependsOn([]pulumi.Resource{rights})); err != nil {
		return fmt.Errorf("flow logs: %w", err)
	}
	return nil
}
