package aws

import (
	"fmt"
	"maps"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// globalRegion is where CloudFront looks for its certificates and firewalls,
// and Route 53 for its signing keys and query logs.
const globalRegion = "us-east-1"

// Providers are the regions that a stack works in.
type Providers struct {
	Home   *aws.Provider // the stack's region
	Global *aws.Provider // us-east-1
	Copy   *aws.Provider // where backups are copied to; nil without copies
}

// newProviders makes the providers. Each puts the stack's tags on everything
// that it makes: no resource has to remember to.
func newProviders(ctx *pulumi.Context, spec platform.Spec) (*Providers, error) {
	tags := aws.ProviderDefaultTagsArgs{Tags: pulumi.ToStringMap(stackTags(spec))}
	provider := func(name, region string) (*aws.Provider, error) {
		made, err := aws.NewProvider(ctx, logicalName(spec, name), &aws.ProviderArgs{
			Region:      pulumi.String(region),
			DefaultTags: tags,
		})
		if err != nil {
			return nil, fmt.Errorf("provider of %s: %w", region, err)
		}
		return made, nil
	}
	home, err := provider("aws", spec.Region)
	if err != nil {
		return nil, err
	}
	global, err := provider("aws-global", globalRegion)
	if err != nil {
		return nil, err
	}
	providers := &Providers{Home: home, Global: global}
	if spec.Backup.CopyRegion != "" {
		if providers.Copy, err = provider("aws-copy", spec.Backup.CopyRegion); err != nil {
			return nil, err
		}
	}
	return providers, nil
}

// stackTags say whose a resource is, what it is for, who pays, and which stack
// made it. The stack's own settings may add tags, and cannot replace these.
func stackTags(spec platform.Spec) map[string]string {
	tags := maps.Clone(spec.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, map[string]string{
		"owner":       spec.Owner,
		"env":         string(spec.Tier),
		"cost-centre": spec.CostCentre,
		"stack":       physicalName(spec),
	})
	return tags
}
