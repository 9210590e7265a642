package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Audit is the record of what was done to the account and to its buckets, and
// of what looks like an attack.
type Audit struct {
	pulumi.ResourceState

	AccessLogs    pulumi.StringOutput // name of the bucket that other buckets report their requests to
	TrailLogGroup pulumi.StringOutput // name of the trail's log group; the zero value without a trail
}

// AuditArgs are what the audit trail depends on.
type AuditArgs struct {
	Spec    platform.Spec
	Account Account
	Keys    *Keys
}
