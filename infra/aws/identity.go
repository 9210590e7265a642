package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// IdentityArgs are what services are given rights to.
type IdentityArgs struct {
	Spec     platform.Spec
	Account  Account
	Keys     *Keys
	Cluster  *Cluster
	Cache    *Cache
	Database *Database
	Broker   *Broker // nil without a broker
	Backup   *Backup
}

// Identity is a role for each service, bound to its service account by EKS Pod
// Identity, with the rights that the service uses and no others.
type Identity struct {
	pulumi.ResourceState

	Services map[string]platform.Identity
}
