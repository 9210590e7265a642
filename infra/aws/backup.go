package aws

import (
	"fmt"

	awsprovider "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/backup"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Backup is the copies beyond what each tier keeps itself: recovery points in a
// vault, and a bucket for logical backups.
type Backup struct {
	pulumi.ResourceState

	Target    platform.BackupTarget
	BucketARN pulumi.StringOutput
	Vault     pulumi.StringOutput // name of the vault
}

// BackupArgs are what backups depend on.
type BackupArgs struct {
	Spec         platform.Spec
	Account      Account
	Keys         *Keys
	Database     *Database
	AccessLogs   pulumi.StringInput    // bucket for the record of requests
	CopyProvider *awsprovider.Provider // of the region that copies go to; nil makes none
}

// NewBackup registers the vaults, the plan, and the bucket.
func NewBackup(ctx *pulumi.Context, name string, args BackupArgs, opts ...pulumi.ResourceOption) (*Backup, error) {
	b := &Backup{}
	if err := ctx.RegisterComponentResource(componentType("Backup"), name, b, opts...); err != nil {
		return nil, err
	}

	logical, err := newBucket(ctx, name+"-logical", bucketArgs{
		Spec: args.Spec, Key: args.Keys.Backup, AccessLogs: args.AccessLogs,
		Days: args.Spec.Backup.BucketDays, OldDays: args.Spec.Backup.BucketDays,
	}, b)
	if err != nil {
		return nil, err
	}
	b.Target = platform.BackupTarget{URL: pulumi.Sprintf("s3://%s", logical.Bucket), Region: args.Spec.Region}
	b.BucketARN = logical.Arn

	vault, err := newVault(ctx, name, args.Spec, args.Keys.Backup, b)
	if err != nil {
		return nil, err
	}
	b.Vault = vault.Name
	var away pulumi.StringInput
	keys := pulumi.StringArray{args.Keys.Data.Arn, args.Keys.Backup.Arn}
	if args.CopyProvider != nil {
		elsewhere := args.Account
		elsewhere.Region = args.Spec.Backup.CopyRegion
		there := pulumi.Provider(args.CopyProvider)
		key, err := newKey(ctx, name+"-copy", keyArgs{
			Spec: args.Spec, Account: elsewhere, Description: "Recovery points, far from what they recover,",
		}, b, there)
		if err != nil {
			return nil, err
		}
		copies, err := newVault(ctx, name+"-copy", args.Spec, key, b, there)
		if err != nil {
			return nil, err
		}
		away, keys = copies.Arn, append(keys, key.Arn)
	}
	plan, err := backup.NewPlan(ctx, name, &backup.PlanArgs{
		Name:  pulumi.String(physicalName(args.Spec)),
		Rules: backupRules(args.Spec, vault.Name, away),
	}, pulumi.Parent(b))
	if err != nil {
		return nil, fmt.Errorf("backup plan: %w", err)
	}
	if err := addBackupSelections(ctx, name, args, plan, keys, b); err != nil {
		return nil, err
	}
	return b, ctx.RegisterResourceOutputs(b, pulumi.Map{
		"url":   b.Target.URL,
		"vault": b.Vault,
	})
}

// newVault makes a vault whose recovery points nobody deletes before their
// time. In production, not even those who may lift the lock elsewhere: it
// closes for good a week after it was made, until when it can be taken back.
func newVault(ctx *pulumi.Context, name string, spec platform.Spec, key *kms.Key, parent pulumi.Resource, opts ...pulumi.ResourceOption) (*backup.Vault, error) {
	options := append([]pulumi.ResourceOption{stateful(spec, parent)}, opts...)
	vault, err := backup.NewVault(ctx, name, &backup.VaultArgs{
		KmsKeyArn:    key.Arn, // CKV_AWS_166
		ForceDestroy: pulumi.Bool(!spec.Production()),
	}, options...)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", name, err)
	}
	if !spec.Production() {
		return vault, nil // an environment that is given up takes its backups along
	}
	if _, err := backup.NewVaultLockConfiguration(ctx, name, &backup.VaultLockConfigurationArgs{
		BackupVaultName:   vault.Name,
		MinRetentionDays:  pulumi.Int(copyDays), // the shortest that a rule below asks for: others would be refused
		MaxRetentionDays:  pulumi.Int(max(monthlyDays, spec.Backup.Days)),
		ChangeableForDays: pulumi.Int(7),
	}, options...); err != nil {
		return nil, fmt.Errorf("lock of vault %s: %w", name, err)
	}
	return vault, nil
}
