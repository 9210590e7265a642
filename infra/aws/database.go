package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Database is Aurora PostgreSQL.
type Database struct {
	pulumi.ResourceState

	Endpoint       platform.DatabaseEndpoint
	ARN            pulumi.StringOutput
	ClusterID      pulumi.StringOutput // the cluster's identifier, as CloudWatch calls it
	ResourceID     pulumi.StringOutput // as policies call it that allow rds-db:connect
	AdminSecretARN pulumi.StringOutput // of the administrator's password, rotated by AWS
}

// DatabaseArgs are what the database depends on.
type DatabaseArgs struct {
	Spec                  platform.Spec
	Account               Account
	Network               *Network
	Keys                  *Keys
	ClientSecurityGroupID pulumi.StringInput // of the pods, which alone may connect
}
