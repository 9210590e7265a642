// Package aws is the stand-in for the provider of AWS: ids, ARNs and endpoints
// in AWS's own forms, the inputs that cannot be changed in place, the lengths
// of names, and answers to what programs ask an account.
package aws

import (
	"errors"
	"maps"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// accountID is the account of AWS's own documentation, which nobody has.
const accountID = "123456789012"

// New gives the stand-in over a cloud.
func New(cloud *standin.Cloud) (*standin.Simulated, error) {
	definition, err := schema.Load("aws")
	if err != nil {
		return nil, err
	}
	kinds := map[string]standin.Kind{}
	for _, group := range []map[string]standin.Kind{network, cluster, data, edge, operations} {
		maps.Copy(kinds, group)
	}
	return &standin.Simulated{
		Schema: definition, Cloud: cloud, Kinds: kinds, Functions: functions, Ordinary: ordinary, Settings: settings,
		References: regexp.MustCompile(`^(vpc|subnet|sg|rtb|eipalloc|igw|nat|lt|vpce|acl)-[0-9a-f]{17}$`),
	}, nil
}

// settings reads a provider's region and tags. The region is asked for as the
// provider does: nothing is taken from the environment.
func settings(config resource.PropertyMap) (standin.Settings, error) {
	region := config["region"]
	if !region.IsString() || region.StringValue() == "" {
		return standin.Settings{}, errors.New("missing region configuration: set aws:region, or the region of the provider resource")
	}
	s := standin.Settings{
		Region: region.StringValue(),
		Facts:  map[string]string{"account": accountID, "partition": partition(region.StringValue()), "suffix": suffix(region.StringValue())},
	}
	if defaults := config["defaultTags"]; defaults.IsObject() {
		if tags := defaults.ObjectValue()["tags"]; tags.IsObject() {
			s.Tags = tags.ObjectValue()
		}
	}
	return s, nil
}

// named is the way most types are named: name is optional and cannot change.
func named(most int) standin.Names { return standin.Names{Property: "name", Max: most} }

// ordinary is a type without an entry in any table.
func ordinary(string) standin.Kind { return standin.Kind{Naming: named(255)} }
