// Package platform is the contract between a cloud and what runs on it. A
// [Cloud] is asked for a [Spec] and hands back a [Platform]; the workloads see
// the Platform alone, and never which cloud made it. No provider's SDK is
// imported here, so that a second implementation, of a cloud or of a test, is
// written against nothing but these types.
package platform

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Cloud makes platforms. Each target has one, in a package beside this one.
type Cloud interface {
	// Name is what the setting trivet:cloud calls it: aws, azure, gcp, kubernetes.
	Name() string

	// Provision registers every resource that the spec asks for and gives
	// what workloads need of them. The spec has been validated.
	Provision(ctx *pulumi.Context, spec Spec) (*Platform, error)

	// Preflight looks at the account and refuses, with one error for every
	// reason, what a deployment would fail at after many minutes.
	Preflight(ctx *pulumi.Context, spec Spec) error
}
