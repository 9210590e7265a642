package guardrails

import (
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

const bucketType = "aws:s3/bucketV2:BucketV2"

var bucketRules = []Rule{
	{
		Name:   "buckets-closed",
		Reason: "one wrong policy would show the bucket to everybody",
		IDs:    []string{"CKV2_AWS_6", "CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "AVD-AWS-0086", "S3.8"},
		Fix:    "add a BucketPublicAccessBlock with all four settings true",
		Check: companion(bucketType, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket",
			is("blockPublicAcls", true), is("blockPublicPolicy", true), is("ignorePublicAcls", true), is("restrictPublicBuckets", true)),
	},
	{
		Name:   "buckets-versioned",
		Reason: "what is overwritten or deleted by mistake could not be brought back",
		IDs:    []string{"CKV_AWS_21", "AVD-AWS-0090", "S3.14"},
		Fix:    "add a BucketVersioningV2 with status Enabled",
		Check: companion(bucketType, "aws:s3/bucketVersioningV2:BucketVersioningV2", "bucket",
			is("versioningConfiguration.status", "Enabled")),
	},
	{
		Name:   "buckets-encrypted",
		Reason: "only with the stack's own key can access to what is in it be withdrawn and seen",
		IDs:    []string{"CKV_AWS_145", "AVD-AWS-0132", "S3.17"},
		Fix:    "add a BucketServerSideEncryptionConfigurationV2 with algorithm aws:kms and the stack's own key",
		Check:  whole(bucketsEncrypted),
	},
	{
		Name:   "buckets-expire",
		Reason: "old versions and logs would be paid for until the end of time",
		IDs:    []string{"CKV2_AWS_61", "S3.13"},
		Fix:    "add a BucketLifecycleConfigurationV2 that ends old versions and uploads",
		Check:  companion(bucketType, "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", "bucket", given("rules")),
	},
	{
		Name:   "buckets-logged",
		Reason: "nobody could tell who read what",
		IDs:    []string{"CKV_AWS_18", "AVD-AWS-0089", "S3.9"},
		Fix:    "add a BucketLoggingV2 into the bucket of access logs",
		Check:  whole(bucketsLogged),
	},
	{
		Name:   "buckets-tls",
		Reason: "a client that forgets TLS would send what it stores as it is",
		IDs:    []string{"CKV_AWS_379", "S3.5"},
		Fix:    "deny requests with aws:SecureTransport false in the bucket's policy",
		Check:  companion(bucketType, "aws:s3/bucketPolicy:BucketPolicy", "bucket", deniesPlain),
	},
}

const (
	encryptionType = "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2"
	loggingType    = "aws:s3/bucketLoggingV2:BucketLoggingV2"
)

// takesLogs tells whether a bucket is where the balancer or other buckets log
// to. Those services write with S3's own key alone, and what logs into itself
// never ends.
func takesLogs(g graph.Graph, bucket graph.Resource) bool {
	for _, by := range []struct{ kind, input string }{
		{loggingType, "targetBucket"},
		{balancerType, "accessLogs"},
		{cdnType, "loggingConfig"},
	} {
		if len(g.Referring(by.kind, by.input, bucket)) > 0 {
			return true
		}
	}
	return false
}

func bucketsEncrypted(g graph.Graph) []Finding {
	const algorithm = "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm"
	own := all(is(algorithm, "aws:kms"), given("rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId"))
	var findings []Finding
	for _, bucket := range g.Of(bucketType) {
		passes := own
		if takesLogs(g, bucket) {
			passes = either(own, is(algorithm, "AES256"))
		}
		if !slices.ContainsFunc(g.Referring(encryptionType, "bucket", bucket), func(r graph.Resource) bool { return passes(r) == "" }) {
			findings = append(findings, Finding{bucket.URN, "it is not encrypted with a key of the stack"})
		}
	}
	return findings
}

func bucketsLogged(g graph.Graph) []Finding {
	var findings []Finding
	for _, bucket := range g.Of(bucketType) {
		if !takesLogs(g, bucket) && len(g.Referring(loggingType, "bucket", bucket)) == 0 {
			findings = append(findings, Finding{bucket.URN, "its requests are not logged"})
		}
	}
	return findings
}

func deniesPlain(r graph.Resource) string {
	policy := r.Input("policy")
	if policy.Hidden() {
		return ""
	}
	for _, statement := range statements(policy) {
		if statement.Field("Effect").Is("Deny") && statement.Field("Condition", "Bool", "aws:SecureTransport").Set() {
			return ""
		}
	}
	return "its policy takes requests without TLS"
}
