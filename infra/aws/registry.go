package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// RegistryArgs are what the registry depends on.
type RegistryArgs struct {
	Spec platform.Spec
	Keys *Keys
}

// Registry is a repository in ECR for each image.
type Registry struct {
	pulumi.ResourceState

	Repositories map[string]pulumi.StringOutput // by service, without tag or digest
}

// NewRegistry registers the repositories.
func NewRegistry(ctx *pulumi.Context, name string, args RegistryArgs, opts ...pulumi.ResourceOption) (*Registry, error) {
	registry := &Registry{Repositories: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource(componentType("Registry"), name, registry, opts...); err != nil {
		return nil, err
	}
	urls := map[string]pulumi.StringOutput{}
	outputs := pulumi.Map{}
	for _, image := range slices.Compact(slices.Sorted(maps.Values(imagesOf))) {
		repository, err := registry.addRepository(ctx, name, image, args)
		if err != nil {
			return nil, err
		}
		urls[image] = repository.RepositoryUrl
		outputs[image] = repository.RepositoryUrl
	}
	for service, image := range imagesOf {
		registry.Repositories[service] = urls[image]
	}
	return registry, ctx.RegisterResourceOutputs(registry, outputs)
}

// addRepository makes the repository of an image. Its name is known
// beforehand, so that images can be looked for before anything is made.
func (r *Registry) addRepository(ctx *pulumi.Context, name, image string, args RegistryArgs) (*ecr.Repository, error) {
	repositoryName := fmt.Sprintf("%s-%s", name, image)
	repository, err := ecr.NewRepository(ctx, repositoryName, &ecr.RepositoryArgs{
		Name:               pulumi.String(repositoryOf(args.Spec, image)),
		ImageTagMutability: pulumi.String("IMMUTABLE"), // CKV_AWS_51
		ImageScanningConfiguration: &ecr.RepositoryImageScanningConfigurationArgs{
			ScanOnPush: pulumi.Bool(true), // CKV_AWS_163
		},
		EncryptionConfigurations: ecr.RepositoryEncryptionConfigurationArray{&ecr.RepositoryEncryptionConfigurationArgs{
			EncryptionType: pulumi.String("KMS"), // CKV_AWS_136
			KmsKey:         args.Keys.Registry.Arn,
		}},
		ForceDelete: pulumi.Bool(!args.Spec.Production()),
	}, stateful(args.Spec, r)) // a cluster that is kept pulls from it
	if err != nil {
		return nil, fmt.Errorf("repository of %s: %w", image, err)
	}
	if _, err := ecr.NewLifecyclePolicy(ctx, repositoryName, &ecr.LifecyclePolicyArgs{
		Repository: repository.Name,
		Policy:     pulumi.String(imageLifecycle),
	}, pulumi.Parent(r)); err != nil {
		return nil, fmt.Errorf("lifecycle of repository %s: %w", image, err)
	}
	return repository, nil
}

// repositoryOf is the name of an image's repository.
func repositoryOf(spec platform.Spec, image string) string { return physicalName(spec) + "/" + image }

// imageLifecycle forgets what a failed push has left, and very old releases. It
// counts releases and not days: a cluster that nobody touched for a year still
// has to find the image that it runs when a node is replaced.
var imageLifecycle = func() string {
	type object = map[string]any
	document, err := json.Marshal(object{"rules": []object{
		{
			"rulePriority": 1, "description": "untagged for 14 days",
			"selection": object{"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14},
			"action":    object{"type": "expire"},
		},
		{
			"rulePriority": 2, "description": "all but the last 200",
			"selection": object{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 200},
			"action":    object{"type": "expire"},
		},
	}})
	if err != nil {
		panic(err) // strings, numbers and maps of them always marshal
	}
	return string(document)
}()
