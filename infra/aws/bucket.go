package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// bucketArgs are what differs between buckets. That they are closed to the
// public, take requests over TLS alone, keep old versions, encrypt, and forget
// what is too old is the same for all of them.
type bucketArgs struct {
	Spec       platform.Spec
	Key        *kms.Key           // nil for a bucket that only AWS's own keys may encrypt, as a destination of access logs is
	AccessLogs pulumi.StringInput // bucket for the record of requests; nil for that bucket itself
	ArchiveDay int                // age in days at which objects move to archive storage with instant access; 0 never
	Days       int                // age in days at which objects are deleted; 0 never
	OldDays    int                // likewise of versions that were replaced or deleted
	LockDays   int                // nobody can delete or replace an object for so long; 0 for no lock

	// AccessLists takes objects that are handed over with an access list, as
	// CloudFront does with its logs. The bucket owns them all the same.
	AccessLists bool

	// Statements add to the policy what services may do.
	Statements func(bucketARN string) []statement
}

// bucket is a bucket that is ready for use.
type bucket struct {
	*s3.BucketV2
	ready []pulumi.Resource // what has to be there before others write to it
}

// newBucket makes a bucket and all that closes it.
func newBucket(ctx *pulumi.Context, name string, args bucketArgs, parent pulumi.Resource) (bucket, error) {
	made, err := s3.NewBucketV2(ctx, name, &s3.BucketV2Args{
		ForceDestroy:      pulumi.Bool(!args.Spec.Production()), // or an environment that is given up could not be
		ObjectLockEnabled: pulumi.Bool(args.LockDays > 0),
	}, stateful(args.Spec, parent))
	if err != nil {
		return bucket{}, fmt.Errorf("bucket %s: %w", name, err)
	}
	b := bucket{BucketV2: made}
	id := made.ID().ToStringOutput()
	// What closes a bucket is kept as long as the bucket is: one that is left
	// behind must not come open by that.
	opts := stateful(args.Spec, parent)

	ownership := "BucketOwnerEnforced"
	if args.AccessLists {
		ownership = "BucketOwnerPreferred"
	}
	owned, err := s3.NewBucketOwnershipControls(ctx, name, &s3.BucketOwnershipControlsArgs{
		Bucket: id,
		Rule:   s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String(ownership)},
	}, opts)
	if err != nil {
		return bucket{}, fmt.Errorf("ownership in bucket %s: %w", name, err)
	}
	closed, err := s3.NewBucketPublicAccessBlock(ctx, name, &s3.BucketPublicAccessBlockArgs{
		Bucket:                id,
		BlockPublicAcls:       pulumi.Bool(true),
		BlockPublicPolicy:     pulumi.Bool(true),
		IgnorePublicAcls:      pulumi.Bool(true),
		RestrictPublicBuckets: pulumi.Bool(true),
	}, opts)
	if err != nil {
		return bucket{}, fmt.Errorf("public access to bucket %s: %w", name, err)
	}
	versions, err := s3.NewBucketVersioningV2(ctx, name, &s3.BucketVersioningV2Args{
		Bucket:                  id,
		VersioningConfiguration: s3.BucketVersioningV2VersioningConfigurationArgs{Status: pulumi.String("Enabled")},
	}, opts)
	if err != nil {
		return bucket{}, fmt.Errorf("versions in bucket %s: %w", name, err)
	}
	encrypted, err := s3.NewBucketServerSideEncryptionConfigurationV2(ctx, name, &s3.BucketServerSideEncryptionConfigurationV2Args{
		Bucket: id,
		Rules:  s3.BucketServerSideEncryptionConfigurationV2RuleArray{encryptionRule(args.Key)},
	}, opts)
	if err != nil {
		return bucket{}, fmt.Errorf("encryption of bucket %s: %w", name, err)
	}
	if _, err := s3.NewBucketLifecycleConfigurationV2(ctx, name, &s3.BucketLifecycleConfigurationV2Args{
		Bucket: id,
		Rules:  s3.BucketLifecycleConfigurationV2RuleArray{lifecycleRule(args)},
	}, opts, pulumi.DependsOn([]pulumi.Resource{versions})); err != nil {
		return bucket{}, fmt.Errorf("lifecycle of bucket %s: %w", name, err)
	}
	if args.AccessLogs != nil {
		if _, err := s3.NewBucketLoggingV2(ctx, name, &s3.BucketLoggingV2Args{
			Bucket:       id,
			TargetBucket: args.AccessLogs,
			TargetPrefix: pulumi.String("s3/" + name + "/"),
		}, opts); err != nil {
			return bucket{}, fmt.Errorf("access log of bucket %s: %w", name, err)
		}
	}
	rights, err := s3.NewBucketPolicy(ctx, name, &s3.BucketPolicyArgs{
		Bucket: id,
		Policy: policyOf(pulumi.StringArray{made.Arn}, func(values []string) []statement {
			statements := []statement{tlsOnly(values[0])}
			if args.Statements != nil {
				statements = append(statements, args.Statements(values[0])...)
			}
			return statements
		}),
	}, opts, pulumi.DependsOn([]pulumi.Resource{closed})) // the two change the same settings, and S3 refuses that at the same time
	if err != nil {
		return bucket{}, fmt.Errorf("policy of bucket %s: %w", name, err)
	}
	b.ready = []pulumi.Resource{rights, encrypted, owned}
	if args.LockDays > 0 {
		lock, err := s3.NewBucketObjectLockConfigurationV2(ctx, name, &s3.BucketObjectLockConfigurationV2Args{
			Bucket: id,
			Rule: s3.BucketObjectLockConfigurationV2RuleArgs{
				DefaultRetention: s3.BucketObjectLockConfigurationV2RuleDefaultRetentionArgs{
					Mode: pulumi.String(lockMode(args.Spec)),
					Days: pulumi.Int(args.LockDays),
				},
			},
		}, opts, pulumi.DependsOn([]pulumi.Resource{versions}))
		if err != nil {
			return bucket{}, fmt.Errorf("lock of bucket %s: %w", name, err)
		}
		b.ready = append(b.ready, lock)
	}
	return b, nil
}

// encryptionRule encrypts what is stored without a wish of its own. A bucket
// key makes one request to KMS of thousands.
func encryptionRule(key *kms.Key) s3.BucketServerSideEncryptionConfigurationV2RuleArgs {
	how := s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{SseAlgorithm: pulumi.String("AES256")}
	if key != nil {
		how.SseAlgorithm, how.KmsMasterKeyId = pulumi.String("aws:kms"), key.Arn
	}
	return s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
		ApplyServerSideEncryptionByDefault: how,
		BucketKeyEnabled:                   pulumi.Bool(key != nil),
	}
}

// lifecycleRule archives and deletes by age, and takes away what uploads that
// were given up have left.
func lifecycleRule(args bucketArgs) s3.BucketLifecycleConfigurationV2RuleArgs {
	rule := s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:     pulumi.String("age"),
		Status: pulumi.String("Enabled"),
		Filter: s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")}, // all of them
		AbortIncompleteMultipartUpload: s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
			DaysAfterInitiation: pulumi.Int(7),
		},
	}
	if args.ArchiveDay > 0 {
		rule.Transitions = s3.BucketLifecycleConfigurationV2RuleTransitionArray{
			s3.BucketLifecycleConfigurationV2RuleTransitionArgs{Days: pulumi.Int(args.ArchiveDay), StorageClass: pulumi.String("GLACIER_IR")},
		}
	}
	if args.Days > 0 {
		rule.Expiration = s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(args.Days)}
	}
	if args.OldDays > 0 {
		rule.NoncurrentVersionExpiration = s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
			NoncurrentDays: pulumi.Int(args.OldDays),
		}
	}
	return rule
}

// lockMode is who may lift a lock before its time: in production nobody, not
// even the account's root; elsewhere those with the right to.
func lockMode(spec platform.Spec) string {
	if spec.Production() {
		return "COMPLIANCE"
	}
	return "GOVERNANCE"
}

// tlsOnly refuses requests that anybody on the way could read.
func tlsOnly(bucketARN string) statement {
	return statement{
		Sid: "TLSOnly", Effect: deny, Principal: anyone,
		Action: []string{"s3:*"}, Resource: []string{bucketARN, bucketARN + "/*"},
		Condition: conditions{"Bool": {"aws:SecureTransport": {"false"}}},
	}
}
