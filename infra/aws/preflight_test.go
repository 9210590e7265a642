package aws

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// answering gives what AWS says to a question.
func answering(values map[string]any) func(resource.PropertyMap) (resource.PropertyMap, error) {
	return func(resource.PropertyMap) (resource.PropertyMap, error) {
		return resource.NewPropertyMapFromMap(values), nil
	}
}

// refusing fails every question.
func refusing(message string) func(resource.PropertyMap) (resource.PropertyMap, error) {
	return func(resource.PropertyMap) (resource.PropertyMap, error) { return nil, errors.New(message) }
}

// preflight asks an account, with a resolver that gives err for every name.
func preflight(spec platform.Spec, in *account, resolver error) error {
	return run(spec, in, true, func(ctx *pulumi.Context, spec platform.Spec, _ *deployment) error {
		cloud := &cloud{lookUp: func(context.Context, string) ([]*net.NS, error) { return nil, resolver }}
		return cloud.Preflight(ctx, spec)
	}).err
}

func TestPreflightRefusesWhatWouldFail(t *testing.T) {
	t.Parallel()
	const (
		zones  = "aws:index/getAvailabilityZones:getAvailabilityZones"
		zone   = "aws:route53/getZone:getZone"
		quota  = "aws:servicequotas/getServiceQuota:getServiceQuota"
		image  = "aws:ecr/getImage:getImage"
		digest = "sha256:0dd0711306efd1b9ac090e3dd9021dbb36a9748f6a741884ebd1713cbc455544"
	)
	type calls = map[string]func(resource.PropertyMap) (resource.PropertyMap, error)
	unknown := &net.DNSError{Err: "no such host", IsNotFound: true}
	for name, test := range map[string]struct {
		change   func(*platform.Spec)
		answers  calls
		resolver error
		want     string // part of the refusal; empty for none
	}{
		"a stack like any other": {},
		"a network that is too small": {
			change: func(s *platform.Spec) { s.Network.CIDR = "10.20.0.0/24" },
			want:   "network 10.20.0.0/24: want the first address of an IPv4 range from /16 to /20",
		},
		"a network that hides the services' addresses": {
			change: func(s *platform.Spec) { s.Network.CIDR = "172.20.0.0/16" },
			want:   "overlaps 172.20.0.0/16, where Kubernetes has its services",
		},
		"a version of Kubernetes that nobody has tried": {
			change: func(s *platform.Spec) { s.Cluster.Version = "1.29" },
			want:   `cluster.version "1.29": add-ons are pinned for 1.33, 1.34, 1.35`,
		},
		"machines with different processors": {
			change: func(s *platform.Spec) { s.Cluster.Workload.InstanceTypes = []string{"m5.large", "m7g.large"} },
			want:   "cluster.workload.instanceTypes: m5.large and m7g.large have different processors",
		},
		"a CDN open to everybody, and a balancer that is not": {
			change: func(s *platform.Spec) { s.Edge.AllowCIDRs, s.Edge.WAF = []string{"203.0.113.0/24"}, platform.WAFOff },
			want:   "nothing would keep others from the CDN",
		},
		"a region with two zones": {
			answers: calls{zones: answering(map[string]any{"names": []any{"eu-central-1a", "eu-central-1b"}})},
			want:    "has 2 zones that EKS can use, want 3",
		},
		"a cluster that nobody may enter": {
			change: func(s *platform.Spec) { s.Cluster.AdminRoles = nil },
			want:   "cluster.adminRoles is empty",
		},
		"a deployment that may not enter its own cluster": {
			change: func(s *platform.Spec) {
				s.Cluster.AdminRoles = []string{"arn:aws:iam::123456789012:role/others"}
				s.Images = map[string]string{"api": digest}
			},
			want: "runs as role admins, which could not enter",
		},
		"a deployment of the cloud alone needs not enter": {
			change: func(s *platform.Spec) { s.Cluster.AdminRoles = []string{"arn:aws:iam::123456789012:role/others"} },
		},
		"an administrator of another account": {
			change: func(s *platform.Spec) {
				s.Cluster.AdminRoles = []string{"arn:aws:iam::999999999999:role/others"}
				s.Images = map[string]string{"api": digest}
			},
		},
		"a zone that is not there": {
			answers: calls{zone: refusing("no matching Route 53 Hosted Zone found")},
			want:    `edge.zoneID "Z0123456789EXAMPLE": `,
		},
		"a private zone": {
			answers: calls{zone: answering(map[string]any{"name": "kv.example.com", "privateZone": true})},
			want:    "is a private zone",
		},
		"somebody else's zone": {
			answers: calls{zone: answering(map[string]any{"name": "notkv.example.com", "privateZone": false})},
			want:    "is the zone of notkv.example.com, and domain kv.example.com is not in it",
		},
		"a zone above the domain": {
			answers: calls{zone: answering(map[string]any{"name": "example.com.", "privateZone": false})},
		},
		"a zone that nobody has delegated": {
			change: func(s *platform.Spec) { s.Domain = "kv.trivet.dev" },
			answers: calls{zone: answering(map[string]any{
				"name": "kv.trivet.dev.", "privateZone": false, "nameServers": []any{"ns-1.awsdns.org", "ns-2.awsdns.net"},
			})},
			resolver: unknown,
			want:     "zone kv.trivet.dev is not delegated: add NS records for it to the zone above, naming ns-1.awsdns.org, ns-2.awsdns.net",
		},
		"a runner that cannot reach DNS": {
			change:   func(s *platform.Spec) { s.Domain = "kv.trivet.dev" },
			answers:  calls{zone: answering(map[string]any{"name": "kv.trivet.dev.", "privateZone": false})},
			resolver: &net.DNSError{Err: "i/o timeout", IsTimeout: true},
		},
		"a name for examples, which only a rehearsal has": {resolver: unknown},
		"an account for five processors": {
			answers: calls{quota: answering(map[string]any{"value": 5.0})},
			want:    "the account may have 5 processors on demand, and the stack may need 52",
		},
		"an account that tells nobody its quotas": {
			answers: calls{quota: refusing("AccessDenied")},
			want:    "ask for the quota of elastic addresses",
		},
		"an image that nobody has pushed": {
			change:  func(s *platform.Spec) { s.Images = map[string]string{"api": digest} },
			answers: calls{image: refusing("ImageNotFoundException")},
			want:    "of service api is not in repository trivet-prod-aws/api: push it",
		},
		"images of others": {
			change: func(s *platform.Spec) {
				s.Images = map[string]string{"node-autoscaler": "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.2@" + digest, "api": "ghcr.io/trivetkv/api@" + digest}
			},
			answers: calls{image: refusing("ImageNotFoundException")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := prodSpec()
			if test.change != nil {
				test.change(&spec)
			}
			err := preflight(spec, &account{answers: test.answers}, test.resolver)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("it is refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("the refusal is %v, want %q", err, test.want)
			}
		})
	}
}

// TestPreflightTellsEverythingAtOnce: who has to fix three things wants to know
// three things.
func TestPreflightTellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Cluster.AdminRoles = nil
	spec.Domain = "kv.example.net"
	err := preflight(spec, &account{answers: map[string]func(resource.PropertyMap) (resource.PropertyMap, error){
		"aws:servicequotas/getServiceQuota:getServiceQuota": answering(map[string]any{"value": 1.0}),
	}}, nil)
	for _, part := range []string{"adminRoles", "kv.example.net is not in it", "processors on demand", "elastic addresses"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the refusal: %v", part, err)
		}
	}
}

// TestPreflightAsksLittle counts what is asked before every deployment, and that
// nothing is asked twice by what comes after it.
func TestPreflightAsksLittle(t *testing.T) {
	t.Parallel()
	in := &account{}
	made := run(prodSpec(), in, true, func(ctx *pulumi.Context, spec platform.Spec, _ *deployment) error {
		cloud := &cloud{lookUp: noNameServers}
		if err := cloud.Preflight(ctx, spec); err != nil {
			return err
		}
		if n := len(in.asked); n > 8 {
			t.Errorf("the preflight asks %d questions: %v", n, in.asked)
		}
		_, err := cloud.Provision(ctx, spec)
		return err
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	for _, token := range []string{"aws:index/getCallerIdentity:getCallerIdentity", "aws:index/getAvailabilityZones:getAvailabilityZones"} {
		asked := len(in.asked) - len(slices.DeleteFunc(slices.Clone(in.asked), func(other string) bool { return other == token }))
		if asked != 1 {
			t.Errorf("%s was asked %d times", token, asked)
		}
	}
}
