package aws

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Account is where a stack is deployed. Its values are known before the first
// resource is, so that policies are plain text and a preview shows them.
type Account struct {
	ID        string
	Partition string // aws, aws-cn or aws-us-gov
	Region    string
	Caller    string // ARN of who deploys
}

// lookUpAccount asks the provider whose account it works in.
func lookUpAccount(ctx *pulumi.Context, region string, provider *aws.Provider) (Account, error) {
	caller, err := aws.GetCallerIdentity(ctx, &aws.GetCallerIdentityArgs{}, pulumi.Provider(provider))
	if err != nil {
		return Account{}, fmt.Errorf("ask whose account this is: %w", err)
	}
	partition, err := aws.GetPartition(ctx, &aws.GetPartitionArgs{}, pulumi.Provider(provider))
	if err != nil {
		return Account{}, fmt.Errorf("ask for the partition: %w", err)
	}
	return Account{ID: caller.AccountId, Partition: partition.Partition, Region: region, Caller: caller.Arn}, nil
}

// zonesWithoutEKS are zones where EKS puts no control plane.
var zonesWithoutEKS = []string{"use1-az3", "usw1-az2", "cac1-az3"}

// lookUpZones asks for the zones of the region that every account can use, in
// the order of their names, which a zone that is added does not change. Those
// that have a failure are among them: subnets must not move because of that.
func lookUpZones(ctx *pulumi.Context, provider *aws.Provider) ([]string, error) {
	zones, err := aws.GetAvailabilityZones(ctx, &aws.GetAvailabilityZonesArgs{
		ExcludeZoneIds: zonesWithoutEKS,
		Filters:        []aws.GetAvailabilityZonesFilter{{Name: "opt-in-status", Values: []string{"opt-in-not-required"}}},
	}, pulumi.Provider(provider))
	if err != nil {
		return nil, fmt.Errorf("ask for the zones of the region: %w", err)
	}
	return slices.Sorted(slices.Values(zones.Names)), nil
}

// arn names a resource of this account and region.
func (a Account) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", a.Partition, service, a.Region, a.ID, resource)
}

// managedPolicy is the ARN of a policy that AWS keeps.
func (a Account) managedPolicy(name string) string {
	return fmt.Sprintf("arn:%s:iam::aws:policy/%s", a.Partition, name)
}
