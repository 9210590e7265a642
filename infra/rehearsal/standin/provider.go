// Package standin runs stand-ins for provider plug-ins. The real engine talks
// to them over the real protocol, so a plan, an apply, a refresh and a destroy
// take the way that they take with an account, and nothing outside the process
// is touched. Stand-ins keep what was made in a [Cloud], refuse what the real
// provider would refuse, and fail or drift when a test asks for it.
package standin

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// Provider is a plug-in: what the engine knows as aws or kubernetes.
type Provider interface {
	Name() string
	Version() string // without the leading v

	// CheckConfig refuses settings that the provider does not have.
	CheckConfig(config resource.PropertyMap) []schema.Failure

	// Configure gives a session with the settings; there is one for each
	// provider resource of a program, for instance one per region.
	Configure(config resource.PropertyMap) (Session, error)
}

// Session is a configured provider. Properties come and go without marks of
// secrets, which the server takes off and puts on; values that are not known
// yet come in previews alone.
type Session interface {
	// Check completes inputs, for instance with a name, or refuses them.
	Check(r Resource, inputs resource.PropertyMap, naming Naming) (resource.PropertyMap, []schema.Failure)

	// Replaces tells whether another value at a path within the inputs, such
	// as vpcConfig.subnetIds[0], makes another resource, and DeletesFirst
	// whether the old one has to go before.
	Replaces(r Resource, path string) bool
	DeletesFirst(r Resource, inputs resource.PropertyMap) bool

	// Plan gives the outputs of a create, or of an update of old, as far as
	// they are known before it.
	Plan(r Resource, inputs resource.PropertyMap, old *Object) resource.PropertyMap

	Create(ctx context.Context, r Resource, inputs resource.PropertyMap) (*Object, error)
	Read(ctx context.Context, r Resource, id string) (*Object, error) // nil when there is none
	Update(ctx context.Context, r Resource, id string, inputs resource.PropertyMap) (*Object, error)
	Delete(ctx context.Context, r Resource, id string) error

	// Secrets are the outputs of a type that are secret in any case.
	Secrets(r Resource) []string

	Invoke(ctx context.Context, token string, args resource.PropertyMap) (resource.PropertyMap, []schema.Failure, error)
}

// Resource is what a call is about.
type Resource struct {
	URN  resource.URN
	Type string // token, such as aws:ec2/subnet:Subnet
	Name string // in the program
}

func resourceOf(urn string) Resource {
	u := resource.URN(urn)
	return Resource{URN: u, Type: string(u.Type()), Name: u.Name()}
}

// Naming is what the engine hands a provider for making a physical name.
type Naming struct {
	Old      resource.PropertyMap // inputs of before, whose name stays
	Seed     []byte
	Proposed string // by the project's autonaming settings; may be empty
	Enforced bool   // no other name than the proposed one will do
	Disabled bool   // names have to be given
}
