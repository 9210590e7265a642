package aws

import (
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
