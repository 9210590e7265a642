package aws

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// logicalName is a resource's name in the stack's state. It never changes:
// another name would be another resource, and the old one would be deleted.
func logicalName(spec platform.Spec, thing string) string {
	project := spec.Project
	if project == "" {
		project = "trivet"
	}
	return project + "-" + thing
}

// physicalName is the name in the account of what cannot have a random one,
// because something else has to know it beforehand: a cluster and its log
// group. Everything else is named by Pulumi.
func physicalName(spec platform.Spec) string { return logicalName(spec, spec.Stack) }

// guarded are the options of what must not be lost by mistake but holds no
// data: in production the engine refuses to delete or to replace it.
func guarded(spec platform.Spec, parent pulumi.Resource) pulumi.ResourceOption {
	return pulumi.Composite(pulumi.Parent(parent), pulumi.Protect(spec.Production()))
}

// stateful are the options of what holds data, or the key to it. In production
// it is protected, and stays in the account even when it leaves the stack.
func stateful(spec platform.Spec, parent pulumi.Resource) pulumi.ResourceOption {
	return pulumi.Composite(guarded(spec, parent), pulumi.RetainOnDelete(spec.Production()))
}

// attached are the options of what something stateful stands on: AWS refuses to
// delete it as long as that is kept, so that it is kept as well. It may change,
// and be replaced.
func attached(spec platform.Spec, parent pulumi.Resource) pulumi.ResourceOption {
	return pulumi.Composite(pulumi.Parent(parent), pulumi.RetainOnDelete(spec.Production()))
}

// named is the tag by which the console lists what has no name of its own.
func named(name string) pulumi.StringMap { return pulumi.StringMap{"Name": pulumi.String(name)} }

// componentType is the type of a tier's component resource.
func componentType(tier string) string { return fmt.Sprintf("trivet:aws:%s", tier) }
