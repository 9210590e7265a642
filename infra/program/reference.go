package program

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// platformOutput is the output by which a stack of layer cloud hands its
// platform on.
const platformOutput = "platform"

// platformOf reads the platform that another stack has made. It is read from
// that stack's state, so that it is known here in previews, too.
func platformOf(ctx *pulumi.Context, name string) (*platform.Platform, error) {
	reference, err := pulumi.NewStackReference(ctx, name, nil)
	if err != nil {
		return nil, fmt.Errorf("read stack %s: %w", name, err)
	}
	details, err := reference.GetOutputDetails(platformOutput)
	if err != nil {
		return nil, fmt.Errorf("read the platform of stack %s: %w", name, err)
	}
	document := details.SecretValue
	if document == nil {
		document = details.Value
	}
	if document == nil {
		return nil, fmt.Errorf("stack %s has no platform; deploy it first, with trivet:layer: cloud", name)
	}
	on, err := platform.Decode(document)
	if err != nil {
		return nil, fmt.Errorf("use the platform of stack %s: %w", name, err)
	}
	return on, nil
}
