package aws

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/platform"
)

func TestEveryResourceBelongsToItsTier(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := deploy(t, spec)
			components := 0
			for _, r := range made.resources {
				switch {
				case strings.HasPrefix(r.kind, "pulumi:providers:"):
				case strings.HasPrefix(r.kind, "trivet:aws:"):
					components++
					if strings.Contains(r.parent, "trivet:aws:") {
						t.Errorf("%s is within %s; tiers stand beside each other", r.urn(), r.parent)
					}
				case !strings.Contains(r.parent, "trivet:aws:"):
					t.Errorf("%s has parent %q, want a tier", r.urn(), r.parent)
				}
			}
			if components < 11 {
				t.Errorf("there are %d tiers", components)
			}
			if made.outputs != components+1 { // the stack has outputs, too
				t.Errorf("%d of %d tiers registered their outputs", made.outputs-1, components)
			}
		})
	}
}

// TestAPreviewShowsEveryResource holds what is planned, when no output is known,
// against what is made when every output is.
func TestAPreviewShowsEveryResource(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count := func(resources []registered) map[string]int {
				seen := map[string]int{}
				for _, r := range resources {
					seen[r.urn()]++
				}
				return seen
			}
			planned, made := count(preview(t, spec).resources), count(deploy(t, spec).resources)
			for urn, times := range made {
				if times != 1 {
					t.Errorf("%s was registered %d times", urn, times)
				}
			}
			if !maps.Equal(planned, made) {
				t.Errorf("planned %d resources, made %d", len(planned), len(made))
				for urn := range made {
					if planned[urn] == 0 {
						t.Errorf("%s was not planned", urn)
					}
				}
			}
		})
	}
}

func TestProductionCannotBeDeletedByMistake(t *testing.T) {
	t.Parallel()
	protected := []string{
		"aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:eks/cluster:Cluster", "aws:ecr/repository:Repository", "aws:kms/key:Key", "aws:s3/bucketV2:BucketV2",
		"aws:rds/cluster:Cluster", "aws:elasticache/replicationGroup:ReplicationGroup", "aws:mq/broker:Broker",
	}
	retained := []string{
		"aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:eks/cluster:Cluster", "aws:ecr/repository:Repository", "aws:kms/key:Key", "aws:s3/bucketV2:BucketV2",
		"aws:rds/cluster:Cluster", "aws:elasticache/replicationGroup:ReplicationGroup", "aws:mq/broker:Broker",
		"aws:route53/keySigningKey:KeySigningKey", "aws:route53/hostedZoneDnsSec:HostedZoneDnsSec",
	}
	prod, dev := deploy(t, prodSpec()), deploy(t, devSpec())
	for _, kind := range protected {
		if len(prod.of(kind)) == 0 {
			t.Errorf("there is no %s", kind)
		}
		for _, r := range prod.of(kind) {
			if !r.protect {
				t.Errorf("%s is not protected", r.urn())
			}
		}
	}
	for _, kind := range retained {
		for _, r := range prod.of(kind) {
			if !r.retain {
				t.Errorf("%s is not retained", r.urn())
			}
		}
	}
	for _, r := range dev.resources {
		if r.protect || r.retain {
			t.Errorf("%s of a development stack outlives it", r.urn())
		}
	}
}

// TestEverythingCarriesTheStacksTags looks at the providers, which put tags on
// what they make, and at what machines are made from, which they do not reach.
func TestEverythingCarriesTheStacksTags(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Tags = map[string]string{"data": "confidential", "owner": "somebody else"}
	made := deploy(t, spec)
	want := map[string]any{
		`defaultTags.tags.owner`: "storage", `defaultTags.tags.env`: "prod", `defaultTags.tags["cost-centre"]`: "4711",
		`defaultTags.tags.stack`: "trivet-prod-aws", `defaultTags.tags.data`: "confidential",
	}
	providers := made.of("pulumi:providers:aws")
	if got := names(providers); !slices.Equal(got, []string{"trivet-aws", "trivet-aws-copy", "trivet-aws-global"}) {
		t.Errorf("the providers are %v", got)
	}
	for _, provider := range providers {
		provider.want(t, want)
	}
	for _, template := range made.of("aws:ec2/launchTemplate:LaunchTemplate") {
		for _, i := range []string{"0", "1", "2"} {
			template.want(t, map[string]any{
				"tagSpecifications[" + i + "].tags.owner":          "storage",
				"tagSpecifications[" + i + `].tags["cost-centre"]`: "4711",
			})
		}
	}
}

// TestNamesFitIntoTheAccount adds what autonaming adds, for a stack with a long
// name.
func TestNamesFitIntoTheAccount(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Stack = "reference-aws"
	made := deploy(t, spec)
	for kind, limit := range map[string]int{
		"aws:iam/role:Role": 64 - len("-reference-aws-123456"), "aws:wafv2/webAcl:WebAcl": 128 - len("-reference-aws-123456"),
		"aws:lb/loadBalancer:LoadBalancer": 32 - len("-123456"), "aws:lb/targetGroup:TargetGroup": 32 - len("-123456"),
		"aws:eks/nodeGroup:NodeGroup": 63 - len("-reference-aws-123456"), "aws:s3/bucketV2:BucketV2": 63 - len("-reference-aws-123456"),
		"aws:elasticache/replicationGroup:ReplicationGroup": 40 - len("-reference-aws-123456"),
	} {
		for _, r := range made.of(kind) {
			if len(r.name) > limit {
				t.Errorf("%s has %d characters too many", r.urn(), len(r.name)-limit)
			}
		}
	}
}

// TestThePlatformIsComplete looks at what workloads are given.
func TestThePlatformIsComplete(t *testing.T) {
	t.Parallel()
	on := deploy(t, prodSpec()).platform
	if on.Cloud != "aws" || on.Zones != 3 || on.Cluster.Namespace != "trivet" {
		t.Errorf("cloud %s in %d zones, namespace %s", on.Cloud, on.Zones, on.Cluster.Namespace)
	}
	for _, service := range []string{"api", "consumer", "migrate", "autoscaler", "healthcheck", "node-autoscaler"} {
		if on.Services[service].ServiceAccount != service {
			t.Errorf("%s is bound to service account %q", service, on.Services[service].ServiceAccount)
		}
		if _, ok := on.Images[service]; !ok && service != "node-autoscaler" {
			t.Errorf("there is no repository for %s", service)
		}
	}
	if on.Broker == nil || on.Database.Login != platform.LoginAWS {
		t.Errorf("broker %v, login %s", on.Broker, on.Database.Login)
	}
	if got := resolve(t, on.Cluster.KubeconfigCommand); got != "aws eks update-kubeconfig --region eu-central-1 --name trivet-prod-aws" {
		t.Errorf("kubeconfigCommand is %q", got)
	}
	if on := deploy(t, leanSpec()).platform; on.Broker != nil {
		t.Error("a platform without a broker has one")
	}
}
