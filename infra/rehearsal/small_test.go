package rehearsal_test

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// smallNetwork is a program with one of everything that a rehearsal is about:
// a component, a provider of its own, an invoke, a secret, something protected.
func smallNetwork(ctx *pulumi.Context) error {
	provider, err := aws.NewProvider(ctx, "home", &aws.ProviderArgs{
		Region:      pulumi.String("eu-central-1"),
		DefaultTags: aws.ProviderDefaultTagsArgs{Tags: pulumi.StringMap{"owner": pulumi.String("store")}},
	})
	if err != nil {
		return err
	}
	var net struct{ pulumi.ResourceState }
	if err := ctx.RegisterComponentResource("trivet:test:Network", "net", &net, pulumi.Provider(provider)); err != nil {
		return err
	}
	zones, err := aws.GetAvailabilityZones(ctx, nil, pulumi.Provider(provider))
	if err != nil {
		return err
	}
	cidr := "10.0.0.0/16"
	if other := config.Get(ctx, "small:cidr"); other != "" {
		cidr = other
	}
	vpc, err := ec2.NewVpc(ctx, "vpc", &ec2.VpcArgs{CidrBlock: pulumi.String(cidr)}, pulumi.Parent(&net), pulumi.Protect(true))
	if err != nil {
		return err
	}
	for i, block := range []string{"10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"} {
		if _, err := ec2.NewSubnet(ctx, zones.Names[i], &ec2.SubnetArgs{
			VpcId: vpc.ID(), CidrBlock: pulumi.String(block), AvailabilityZone: pulumi.String(zones.Names[i]),
		}, pulumi.Parent(&net)); err != nil {
			return err
		}
	}
	password, err := random.NewRandomPassword(ctx, "password", &random.RandomPasswordArgs{Length: pulumi.Int(32)})
	if err != nil {
		return err
	}
	bucketName := "data"
	if other := config.Get(ctx, "small:bucket"); other != "" {
		bucketName = other
	}
	bucket, err := s3.NewBucketV2(ctx, bucketName, nil,
		pulumi.Parent(&net), pulumi.Protect(true), pulumi.RetainOnDelete(true))
	if err != nil {
		return err
	}
	if config.GetBool(ctx, "small:inApply") {
		bucket.Arn.ApplyT(func(string) (string, error) {
			_, err := ec2.NewEip(ctx, "hidden", nil)
			return "", err
		})
	}
	ctx.Export("bucket", bucket.Arn)
	ctx.Export("password", password.Result)
	return ctx.RegisterResourceOutputs(&net, pulumi.Map{"vpc": vpc.ID()})
}
