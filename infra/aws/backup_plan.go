package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/backup"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// For how many days production keeps what.
const (
	weeklyDays  = 91
	monthlyDays = 365
	copyDays    = 7 // of the daily copies in the other region: each is a full one
)

// backupRules say when recovery points are made and for how long they are kept.
// Point in time recovery is the database's own; these are for the day when the
// database itself is gone, or was wrong for longer than it remembers.
//
// Every day's is copied to the other region and kept there for a week, and every
// month's for as long as the original.
func backupRules(spec platform.Spec, vault, away pulumi.StringInput) backup.PlanRuleArray {
	rules := backup.PlanRuleArray{backupRule("daily", "cron(0 4 * * ? *)", spec.Backup.Days, vault, away, copyDays)}
	if spec.Production() {
		rules = append(rules,
			backupRule("weekly", "cron(0 5 ? * SUN *)", weeklyDays, vault, nil, 0),
			backupRule("monthly", "cron(0 6 1 * ? *)", monthlyDays, vault, away, monthlyDays),
		)
	}
	return rules
}

// backupRule is one rule; times are UTC, in which it may begin two hours late
// and take eight.
func backupRule(name, schedule string, days int, vault, away pulumi.StringInput, awayDays int) backup.PlanRuleArgs {
	rule := backup.PlanRuleArgs{
		RuleName:         pulumi.String(name),
		TargetVaultName:  vault,
		Schedule:         pulumi.String(schedule),
		StartWindow:      pulumi.Int(120),
		CompletionWindow: pulumi.Int(600),
		Lifecycle:        backup.PlanRuleLifecycleArgs{DeleteAfter: pulumi.Int(days)},
	}
	if away != nil {
		rule.CopyActions = backup.PlanRuleCopyActionArray{backup.PlanRuleCopyActionArgs{
			DestinationVaultArn: away,
			Lifecycle:           backup.PlanRuleCopyActionLifecycleArgs{DeleteAfter: pulumi.Int(awayDays)},
		}}
	}
	return rule
}

// addBackupSelections says what is backed up: the database, by name, so that no
// lost tag can leave it out, and the cluster's persistent volumes by the tags
// that the driver gives them. The cache has snapshots of its own, since AWS
// Backup does not know it; a broker holds nothing for long. Keys are those of
// what is backed up and of the vaults.
func addBackupSelections(ctx *pulumi.Context, name string, args BackupArgs, plan *backup.Plan, keys pulumi.StringArray, parent pulumi.Resource) error {
	role, rights, err := newBackupRole(ctx, name, args.Account, keys, parent)
	if err != nil {
		return err
	}
	// AWS Backup leaves out Aurora, even by name, in a region where it was not
	// let in. The setting is the region's, and has more services than these:
	// what somebody else has set for them stays.
	services, err := backup.NewRegionSettings(ctx, name, &backup.RegionSettingsArgs{
		ResourceTypeOptInPreference: pulumi.BoolMap{"Aurora": pulumi.Bool(true), "EBS": pulumi.Bool(true)},
	}, pulumi.Parent(parent), pulumi.IgnoreChanges([]string{"resourceTypeOptInPreference"}))
	if err != nil {
		return fmt.Errorf("services that AWS Backup works for: %w", err)
	}
	before := pulumi.DependsOn(append(rights, services))
	if _, err := backup.NewSelection(ctx, name+"-database", &backup.SelectionArgs{
		PlanId:     plan.ID(),
		IamRoleArn: role,
		Resources:  pulumi.StringArray{args.Database.ARN},
	}, pulumi.Parent(parent), before); err != nil {
		return fmt.Errorf("backup of the database: %w", err)
	}
	if _, err := backup.NewSelection(ctx, name+"-volumes", &backup.SelectionArgs{
		PlanId:     plan.ID(),
		IamRoleArn: role,
		Resources:  pulumi.StringArray{pulumi.String(fmt.Sprintf("arn:%s:ec2:*:*:volume/*", args.Account.Partition))},
		Conditions: backup.SelectionConditionArray{backup.SelectionConditionArgs{
			StringEquals: backup.SelectionConditionStringEqualArray{
				tagged("ebs.csi.aws.com/cluster", "true"),
				tagged("kubernetes.io/cluster/"+physicalName(args.Spec), "owned"),
			},
		}},
	}, pulumi.Parent(parent), before); err != nil {
		return fmt.Errorf("backup of volumes: %w", err)
	}
	return nil
}

// tagged is a condition on a resource's tag.
func tagged(key, value string) backup.SelectionConditionStringEqualArgs {
	return backup.SelectionConditionStringEqualArgs{Key: pulumi.String("aws:ResourceTag/" + key), Value: pulumi.String(value)}
}

// newBackupRole makes the role in which AWS Backup makes recovery points and
// restores them, and gives its ARN and the rights to wait for.
func newBackupRole(ctx *pulumi.Context, name string, account Account, keys pulumi.StringArray, parent pulumi.Resource) (pulumi.StringOutput, []pulumi.Resource, error) {
	role, err := iam.NewRole(ctx, name, &iam.RoleArgs{
		Description: pulumi.String("Makes recovery points and restores them"),
		AssumeRolePolicy: pulumi.String(policy(statement{
			Effect: allow, Principal: service("backup.amazonaws.com"), Action: []string{"sts:AssumeRole"},
		})),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, nil, fmt.Errorf("role of backups: %w", err)
	}
	var rights []pulumi.Resource
	for _, right := range []struct{ name, policy string }{
		{"make", "service-role/AWSBackupServiceRolePolicyForBackup"},
		{"restore", "service-role/AWSBackupServiceRolePolicyForRestores"},
	} {
		attachment, err := iam.NewRolePolicyAttachment(ctx, fmt.Sprintf("%s-%s", name, right.name), &iam.RolePolicyAttachmentArgs{
			Role:      role.Name,
			PolicyArn: pulumi.String(account.managedPolicy(right.policy)),
		}, pulumi.Parent(parent))
		if err != nil {
			return pulumi.StringOutput{}, nil, fmt.Errorf("right of backups to %s: %w", right.name, err)
		}
		rights = append(rights, attachment)
	}
	encrypt, err := iam.NewRolePolicy(ctx, name+"-keys", &iam.RolePolicyArgs{
		Role:   role.ID(),
		Policy: policyOf(keys, encryptBackups),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, nil, fmt.Errorf("right of backups to the keys: %w", err)
	}
	return role.Arn, append(rights, encrypt), nil
}

// encryptBackups lets backups use keys, and hand them to the services that store
// snapshots, which do the work.
func encryptBackups(keys []string) []statement {
	return []statement{
		{
			Sid: "UseKeys", Effect: allow,
			Action:   []string{"kms:DescribeKey", "kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"},
			Resource: keys,
		},
		{
			Sid: "GrantKeys", Effect: allow, Action: []string{"kms:CreateGrant"}, Resource: keys,
			Condition: conditions{"Bool": {"kms:GrantIsForAWSResource": {"true"}}},
		},
	}
}
