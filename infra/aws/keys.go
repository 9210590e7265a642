package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Keys are the stack's own keys, one for each purpose, so that each can be
// given to those who need it and to nobody else.
type Keys struct {
	pulumi.ResourceState

	Cluster  *kms.Key // secrets within Kubernetes
	Data     *kms.Key // database, cache, broker, and their passwords
	Logs     *kms.Key // log groups and the topic of alarms
	Audit    *kms.Key // the trail, its bucket, log group and topic
	Backup   *kms.Key // recovery points and the bucket of logical backups
	Registry *kms.Key // container images
}

// KeysArgs are what the keys depend on.
type KeysArgs struct {
	Spec    platform.Spec
	Account Account
}

// NewKeys registers the keys.
func NewKeys(ctx *pulumi.Context, name string, args KeysArgs, opts ...pulumi.ResourceOption) (*Keys, error) {
	keys := &Keys{}
	if err := ctx.RegisterComponentResource(componentType("Keys"), name, keys, opts...); err != nil {
		return nil, err
	}
	outputs := pulumi.Map{}
	for _, purpose := range []struct {
		name        string
		description string
		key         **kms.Key
		services    []statement // of AWS, beyond those that act for a caller of this account
	}{
		{"cluster", "Secrets within Kubernetes", &keys.Cluster, nil},
		{"data", "Database, cache, broker and their passwords", &keys.Data, nil},
		{"logs", "Log groups and alarms", &keys.Logs, []statement{encryptLogs(args.Account), publishAlarms(args.Account)}},
		{"audit", "Audit trail", &keys.Audit, []statement{encryptLogs(args.Account), encryptTrail(args.Spec, args.Account)}},
		{"backup", "Recovery points and logical backups", &keys.Backup, nil},
		{"registry", "Container images", &keys.Registry, nil},
	} {
		key, err := newKey(ctx, name+"-"+purpose.name, keyArgs{
			Spec: args.Spec, Account: args.Account, Description: purpose.description, Services: purpose.services,
		}, keys)
		if err != nil {
			return nil, err
		}
		*purpose.key = key
		outputs[purpose.name+"KeyArn"] = key.Arn
	}
	return keys, ctx.RegisterResourceOutputs(keys, outputs)
}

// keyArgs are what differs between keys.
type keyArgs struct {
	Spec        platform.Spec
	Account     Account
	Description string
	Services    []statement
}

// newKey makes a key that is rotated every year, and its alias. A key whose
// deletion was asked for can be kept for as long as KMS allows, 30 days, where
// it guards production's data.
func newKey(ctx *pulumi.Context, name string, args keyArgs, parent pulumi.Resource, opts ...pulumi.ResourceOption) (*kms.Key, error) {
	days := 14
	if args.Spec.Production() {
		days = 30
	}
	options := append([]pulumi.ResourceOption{stateful(args.Spec, parent)}, opts...)
	key, err := kms.NewKey(ctx, name, &kms.KeyArgs{
		Description:          pulumi.String(fmt.Sprintf("%s of %s", args.Description, physicalName(args.Spec))),
		EnableKeyRotation:    pulumi.Bool(true),
		RotationPeriodInDays: pulumi.Int(365),
		DeletionWindowInDays: pulumi.Int(days),
		Policy:               pulumi.String(policy(append([]statement{administerKey(args.Account)}, args.Services...)...)),
	}, options...)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	if _, err := kms.NewAlias(ctx, name, &kms.AliasArgs{
		Name:        pulumi.String(fmt.Sprintf("alias/%s-%s", name, args.Spec.Stack)), // a name that Pulumi makes lacks what KMS wants in front
		TargetKeyId: key.KeyId,
	}, options...); err != nil {
		return nil, fmt.Errorf("alias of key %s: %w", name, err)
	}
	return key, nil
}

// administerKey leaves it to the account's own policies who may use and manage
// a key. Without it, nobody could ever change the key's policy again.
func administerKey(account Account) statement {
	return statement{
		Sid: "AccountPolicies", Effect: allow,
		Principal: principal{"AWS": {fmt.Sprintf("arn:%s:iam::%s:root", account.Partition, account.ID)}},
		Action:    []string{"kms:*"}, Resource: []string{"*"}, // which in a key's policy is that key
	}
}

// encryptLogs lets CloudWatch encrypt log groups of this account and region.
func encryptLogs(account Account) statement {
	return statement{
		Sid: "LogGroups", Effect: allow, Principal: service("logs." + account.Region + ".amazonaws.com"),
		Action:    []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"},
		Resource:  []string{"*"},
		Condition: conditions{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": {account.arn("logs", "log-group:*")}}},
	}
}

// publishAlarms lets those who publish to the encrypted topic of alarms do so
// on behalf of this account.
func publishAlarms(account Account) statement {
	return statement{
		Sid: "Alarms", Effect: allow, Principal: service(publishers...),
		Action:    []string{"kms:Decrypt", "kms:GenerateDataKey*"},
		Resource:  []string{"*"},
		Condition: conditions{"StringEquals": {"aws:SourceAccount": {account.ID}}},
	}
}

// encryptTrail lets CloudTrail encrypt the records of this stack's trail and
// the notices that there are new ones.
func encryptTrail(spec platform.Spec, account Account) statement {
	return statement{
		Sid: "Trail", Effect: allow, Principal: service("cloudtrail.amazonaws.com"),
		Action:    []string{"kms:GenerateDataKey*", "kms:Decrypt", "kms:DescribeKey"},
		Resource:  []string{"*"},
		Condition: conditions{"StringEquals": {"aws:SourceArn": {trailARN(spec, account)}}},
	}
}
