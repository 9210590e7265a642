package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	trailType  = "aws:cloudtrail/trail:Trail"
	bucketType = "aws:s3/bucketV2:BucketV2"
	auditKey   = "arn:aws:aws:kms/key:Key:trivet-keys-audit"
	ownTrail   = "arn:aws:cloudtrail:eu-central-1:123456789012:trail/trivet-prod-aws"
)

func TestTrailRecordsEverythingEverywhere(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		if !spec.Audit.Trail {
			if len(made.of(trailType)) != 0 {
				t.Errorf("%s: there is a trail", name)
			}
			continue
		}
		made.the(t, trailType, "trivet-audit").want(t, map[string]any{
			"name": "trivet-" + spec.Stack, "isMultiRegionTrail": true, "includeGlobalServiceEvents": true, "enableLogging": true,
			"enableLogFileValidation": true, "kmsKeyId": auditKey, "s3BucketName": "trivet-audit-trail",
			"snsTopicName":           "arn:aws:aws:sns/topic:Topic:trivet-audit-trail",
			"cloudWatchLogsGroupArn": "arn:aws:aws:cloudwatch/logGroup:LogGroup:trivet-audit-trail:*",
			"cloudWatchLogsRoleArn":  "arn:aws:aws:iam/role:Role:trivet-audit-trail",
		})
		made.the(t, logGroupType, "trivet-audit-trail").want(t, map[string]any{"retentionInDays": spec.Audit.LogDays, "kmsKeyId": auditKey})
		if spec.Audit.LogDays < 365 {
			t.Errorf("%s: the trail is kept for %d days", name, spec.Audit.LogDays)
		}
		made.the(t, "aws:sns/topic:Topic", "trivet-audit-trail").want(t, map[string]any{"kmsMasterKeyId": auditKey})
	}
}

// TestOnlyTheOwnTrailWrites reads what lets CloudTrail in: bucket, topic, role
// and key.
func TestOnlyTheOwnTrailWrites(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, where := range []struct{ kind, name, input string }{
		{"aws:s3/bucketPolicy:BucketPolicy", "trivet-audit-trail", "policy"},
		{"aws:sns/topicPolicy:TopicPolicy", "trivet-audit-trail", "policy"},
		{"aws:iam/role:Role", "trivet-audit-trail", "assumeRolePolicy"},
		{"aws:kms/key:Key", "trivet-keys-audit", "policy"},
	} {
		found := 0
		for _, s := range made.the(t, where.kind, where.name).policy(t, where.input) {
			if !slices.Contains(s.Principal["Service"], "cloudtrail.amazonaws.com") {
				continue
			}
			found++
			if got := s.Condition["StringEquals"]["aws:SourceArn"]; !slices.Equal(got, []string{ownTrail}) {
				t.Errorf("%s %s: %s is for %v", where.kind, where.name, s.Sid, got)
			}
		}
		if found == 0 {
			t.Errorf("%s %s does not let CloudTrail in", where.kind, where.name)
		}
	}
}

func TestRecordsAreLocked(t *testing.T) {
	t.Parallel()
	const lockType = "aws:s3/bucketObjectLockConfigurationV2:BucketObjectLockConfigurationV2"
	spec := prodSpec()
	prod := deploy(t, spec)
	prod.the(t, bucketType, "trivet-audit-trail").want(t, map[string]any{"objectLockEnabled": true, "forceDestroy": false})
	prod.the(t, lockType, "trivet-audit-trail").want(t, map[string]any{
		"rule.defaultRetention.mode": "COMPLIANCE", "rule.defaultRetention.days": spec.Audit.LockDays,
	})
	staging := stagingSpec()
	staging.Audit.LockDays = 30
	deploy(t, staging).the(t, lockType, "trivet-audit-trail").want(t, map[string]any{"rule.defaultRetention.mode": "GOVERNANCE"})
	if locks := deploy(t, stagingSpec()).of(lockType); len(locks) != 0 {
		t.Errorf("without lock days there are %v", names(locks))
	}
}

// TestBucketsAreClosed looks at every bucket of every stack.
func TestBucketsAreClosed(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		for _, bucket := range made.of(bucketType) {
			made.the(t, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", bucket.name).want(t, map[string]any{
				"blockPublicAcls": true, "blockPublicPolicy": true, "ignorePublicAcls": true, "restrictPublicBuckets": true,
			})
			made.the(t, "aws:s3/bucketVersioningV2:BucketVersioningV2", bucket.name).want(t, map[string]any{"versioningConfiguration.status": "Enabled"})
			rule := made.the(t, "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", bucket.name)
			rule.want(t, map[string]any{"rules[0].status": "Enabled", "rules[0].abortIncompleteMultipartUpload.daysAfterInitiation": 7})
			if rule.input("rules[0].noncurrentVersionExpiration.noncurrentDays") == nil || rule.input("rules[0].expiration.days") == nil {
				t.Errorf("%s: %s keeps what nobody needs", name, bucket.urn())
			}
			refuses := made.the(t, "aws:s3/bucketPolicy:BucketPolicy", bucket.name).policy(t, "policy")[0]
			if refuses.Effect != deny || !slices.Equal(refuses.Condition["Bool"]["aws:SecureTransport"], []string{"false"}) {
				t.Errorf("%s: %s takes requests without TLS", name, bucket.urn())
			}
			encryption := "rules[0].applyServerSideEncryptionByDefault"
			encrypted := made.the(t, "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2", bucket.name)
			if key, ok := map[string]string{"trivet-audit-trail": "audit", "trivet-backup-logical": "backup"}[bucket.name]; ok {
				encrypted.want(t, map[string]any{
					encryption + ".sseAlgorithm":   "aws:kms",
					encryption + ".kmsMasterKeyId": "arn:aws:aws:kms/key:Key:trivet-keys-" + key, "rules[0].bucketKeyEnabled": true,
				})
			} else { // logs of AWS's own, which it writes with its own key alone
				encrypted.want(t, map[string]any{encryption + ".sseAlgorithm": "AES256"})
			}
			if bucket.name != "trivet-audit-requests" {
				made.the(t, "aws:s3/bucketLoggingV2:BucketLoggingV2", bucket.name).want(t, map[string]any{
					"targetBucket": "trivet-audit-requests", "targetPrefix": "s3/" + bucket.name + "/",
				})
			}
		}
	}
}

// TestRecordsMoveToTheArchiveBeforeTheyAreDeleted holds ages against each other:
// S3 refuses a rule that deletes before it moves.
func TestRecordsMoveToTheArchiveBeforeTheyAreDeleted(t *testing.T) {
	t.Parallel()
	for kept, want := range map[int]int{30: 0, 90: 0, 179: 0, 180: 90, 400: 90} {
		if got := archiveDay(kept); got != want {
			t.Errorf("what is kept for %d days moves after %d, want %d", kept, got, want)
		}
	}
	deploy(t, prodSpec()).the(t, "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", "trivet-audit-trail").want(t, map[string]any{
		"rules[0].transitions[0].days": 90, "rules[0].transitions[0].storageClass": "GLACIER_IR", "rules[0].expiration.days": 400,
	})
}

func TestThreatsAreLookedForWhereWanted(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		detectors, analyzers := made.of("aws:guardduty/detector:Detector"), made.of("aws:accessanalyzer/analyzer:Analyzer")
		if wanted := spec.Observability.ThreatDetect; wanted != (len(detectors) == 1) || wanted != (len(analyzers) == 1) {
			t.Errorf("%s: %d detectors, %d analyzers", name, len(detectors), len(analyzers))
		}
		var features []string
		for _, feature := range made.of("aws:guardduty/detectorFeature:DetectorFeature") {
			feature.want(t, map[string]any{"status": "ENABLED", "detectorId": "trivet-audit-id"})
			features = append(features, fmt.Sprint(feature.input("name")))
			if !strings.HasPrefix(feature.name, "trivet-audit-") {
				t.Errorf("%s is not named as a part of the audit", feature.urn())
			}
		}
		if spec.Observability.ThreatDetect && !slices.Contains(features, "EKS_AUDIT_LOGS") {
			t.Errorf("%s: the features are %v", name, features)
		}
	}
}
