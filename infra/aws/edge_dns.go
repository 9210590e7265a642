package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// An aliasTarget is what a name stands for: a balancer or a CDN.
type aliasTarget struct {
	name   pulumi.StringInput
	zoneID pulumi.StringInput
	ipv6   bool
}

// addRecords lets names stand for a target.
func (e *Edge) addRecords(ctx *pulumi.Context, name string, args EdgeArgs, target aliasTarget, hosts ...string) error {
	types := []string{"A"}
	if target.ipv6 {
		types = append(types, "AAAA")
	}
	for _, host := range hosts {
		for _, kind := range types {
			recordName := fmt.Sprintf("%s-%s-%s", name, hostLabel(args.Spec, host), kind)
			if _, err := route53.NewRecord(ctx, recordName, &route53.RecordArgs{
				ZoneId: pulumi.String(args.Spec.Edge.ZoneID),
				Name:   pulumi.String(host),
				Type:   pulumi.String(kind),
				Aliases: route53.RecordAliasArray{&route53.RecordAliasArgs{
					Name:                 target.name,
					ZoneId:               target.zoneID,
					EvaluateTargetHealth: pulumi.Bool(false), // there is nowhere else to send anybody
				}},
			}, pulumi.Parent(e)); err != nil {
				return fmt.Errorf("record %s of %s: %w", kind, host, err)
			}
		}
	}
	return nil
}

// secureZone signs the zone, and records what is asked of it. Both outlive the
// stack: a zone that stops being signed while the zone above says that it is
// cannot be resolved any more.
func (e *Edge) secureZone(ctx *pulumi.Context, name string, args EdgeArgs) error {
	if err := e.signZone(ctx, name, args); err != nil {
		return err
	}
	return e.logQueries(ctx, name, args)
}

// signZone makes the key that the zone's own keys are signed with.
func (e *Edge) signZone(ctx *pulumi.Context, name string, args EdgeArgs) error {
	// Keys that sign are not rotated by KMS, since a new one has to be told to
	// the zone above first.
	key, err := kms.NewKey(ctx, edgeName(name, "dnssec"), &kms.KeyArgs{
		Description:           pulumi.String("Signs the zone of " + args.Spec.Domain),
		CustomerMasterKeySpec: pulumi.String("ECC_NIST_P256"),
		KeyUsage:              pulumi.String("SIGN_VERIFY"),
		DeletionWindowInDays:  pulumi.Int(30),
		Policy:                pulumi.String(policy(administerKey(args.Account), signWithKey(args), grantKey(args))),
	}, stateful(args.Spec, e), pulumi.Provider(args.Providers.Global))
	if err != nil {
		return fmt.Errorf("key of the zone: %w", err)
	}
	signing, err := route53.NewKeySigningKey(ctx, edgeName(name, "dnssec"), &route53.KeySigningKeyArgs{
		HostedZoneId:            pulumi.String(args.Spec.Edge.ZoneID),
		KeyManagementServiceArn: key.Arn,
		Name:                    pulumi.String("trivet"),
		Status:                  pulumi.String("ACTIVE"),
	}, stateful(args.Spec, e))
	if err != nil {
		return fmt.Errorf("key-signing key of the zone: %w", err)
	}
	e.DSRecord = signing.DsRecord
	if _, err := route53.NewHostedZoneDnsSec(ctx, edgeName(name, "dnssec"), &route53.HostedZoneDnsSecArgs{
		HostedZoneId:  signing.HostedZoneId,
		SigningStatus: pulumi.String("SIGNING"),
	}, stateful(args.Spec, e)); err != nil {
		return fmt.Errorf("signature of the zone: %w", err)
	}
	return nil
}

// signWithKey lets Route 53 sign for zones of this account.
func signWithKey(args EdgeArgs) statement {
	return statement{
		Sid: "Sign", Effect: allow, Principal: service("dnssec-route53.amazonaws.com"),
		Action: []string{"kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"}, Resource: []string{"*"},
		Condition: conditions{
			"StringEquals": {"aws:SourceAccount": {args.Account.ID}},
			"ArnEquals":    {"aws:SourceArn": {zoneARN(args)}},
		},
	}
}

// grantKey lets Route 53 hand on that right to its own machines.
func grantKey(args EdgeArgs) statement {
	return statement{
		Sid: "Grant", Effect: allow, Principal: service("dnssec-route53.amazonaws.com"),
		Action: []string{"kms:CreateGrant"}, Resource: []string{"*"},
		Condition: conditions{
			"Bool":         {"kms:GrantIsForAWSResource": {"true"}},
			"StringEquals": {"aws:SourceAccount": {args.Account.ID}},
			"ArnEquals":    {"aws:SourceArn": {zoneARN(args)}},
		},
	}
}

// zoneARN names the zone.
func zoneARN(args EdgeArgs) string {
	return fmt.Sprintf("arn:%s:route53:::hostedzone/%s", args.Account.Partition, args.Spec.Edge.ZoneID)
}

// logQueries records which names are asked for, and by which resolvers.
func (e *Edge) logQueries(ctx *pulumi.Context, name string, args EdgeArgs) error {
	group, err := e.globalLogGroup(ctx, edgeName(name, "queries"), "/aws/route53/"+args.Spec.Domain, args)
	if err != nil {
		return err
	}
	rights, err := cloudwatch.NewLogResourcePolicy(ctx, edgeName(name, "queries"), &cloudwatch.LogResourcePolicyArgs{
		PolicyName: pulumi.String(physicalName(args.Spec) + "-dns-queries"),
		PolicyDocument: policyOf(pulumi.StringArray{group.Arn}, func(values []string) []statement {
			return []statement{{
				Effect: allow, Principal: service("route53.amazonaws.com"),
				Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resource: []string{values[0] + ":*"},
				Condition: conditions{"StringEquals": {"aws:SourceAccount": {args.Account.ID}}},
			}}
		}),
	}, pulumi.Parent(e), pulumi.Provider(args.Providers.Global))
	if err != nil {
		return fmt.Errorf("right to log queries: %w", err)
	}
	if _, err := route53.NewQueryLog(ctx, edgeName(name, "queries"), &route53.QueryLogArgs{
		ZoneId:                pulumi.String(args.Spec.Edge.ZoneID),
		CloudwatchLogGroupArn: group.Arn,
	}, pulumi.Parent(e), pulumi.DependsOn([]pulumi.Resource{rights})); err != nil {
		return fmt.Errorf("query log of the zone: %w", err)
	}
	return nil
}

// globalLogGroup makes a log group in us-east-1, where services that have no
// region write to.
func (e *Edge) globalLogGroup(ctx *pulumi.Context, name, groupName string, args EdgeArgs) (*cloudwatch.LogGroup, error) {
	key, err := e.globalLogKey(ctx, args)
	if err != nil {
		return nil, err
	}
	group, err := cloudwatch.NewLogGroup(ctx, name, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(groupName),
		RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
		KmsKeyId:        key.Arn,
	}, pulumi.Parent(e), pulumi.Provider(args.Providers.Global))
	if err != nil {
		return nil, fmt.Errorf("log group %s: %w", groupName, err)
	}
	return group, nil
}

// globalLogKey is the key of logs in us-east-1: that of the stack, where that is
// its region, or one that is made when it is first asked for. A key cannot be
// used from another region.
func (e *Edge) globalLogKey(ctx *pulumi.Context, args EdgeArgs) (*kms.Key, error) {
	if args.Spec.Region == globalRegion {
		return args.Keys.Logs, nil
	}
	if e.logKey != nil {
		return e.logKey, nil
	}
	there := args.Account
	there.Region = globalRegion
	key, err := newKey(ctx, logicalName(args.Spec, "edge-logs"), keyArgs{
		Spec: args.Spec, Account: there, Description: "Log groups of DNS and CDN", Services: []statement{encryptLogs(there)},
	}, e, pulumi.Provider(args.Providers.Global))
	if err != nil {
		return nil, err
	}
	e.logKey = key
	return key, nil
}
