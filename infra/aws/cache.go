package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Cache is the shared cache: ElastiCache for Redis, one shard.
type Cache struct {
	pulumi.ResourceState

	Endpoint  platform.CacheEndpoint
	SecretARN pulumi.StringOutput // of the password, for the policies of those who read it
	NodeIDs   pulumi.StringArray  // as CloudWatch calls the nodes
}

// CacheArgs are what the cache depends on.
type CacheArgs struct {
	Spec                  platform.Spec
	Network               *Network
	Keys                  *Keys
	ClientSecurityGroupID pulumi.StringInput // of the pods, which alone may connect
}
