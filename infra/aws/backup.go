package aws

import (
	awsprovider "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
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
