package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// RegistryArgs are what the registry depends on.
type RegistryArgs struct {
	Spec platform.Spec
	Keys *Keys
}

// Registry is a repository in ECR for each service's images.
type Registry struct {
	pulumi.ResourceState

	Repositories map[string]pulumi.StringOutput // by service, without tag or digest
}
