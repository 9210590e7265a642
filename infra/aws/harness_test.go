package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// specOf is the spec of a stack that says no more than it has to.
func specOf(tier platform.Tier, profile stack.Profile) platform.Spec {
	spec := stack.Defaults(tier, profile).Spec
	spec.Project, spec.Stack = "trivet", string(tier)+"-aws"
	spec.Region = "eu-central-1" // not where CDN and DNS are at home
	spec.Domain, spec.Edge.ZoneID = "kv.example.com", "Z0123456789EXAMPLE"
	spec.Owner, spec.OwnerEmail, spec.CostCentre = "storage", "storage@example.com", "4711"
	spec.Cluster.AdminRoles = []string{"arn:aws:iam::123456789012:role/admins"}
	spec.Cluster.DeployRoles = []string{"arn:aws:iam::123456789012:role/team/deployers"}
	return spec
}

func devSpec() platform.Spec     { return specOf(platform.Dev, stack.ProfileStandard) }
func stagingSpec() platform.Spec { return specOf(platform.Staging, stack.ProfileStandard) }
func prodSpec() platform.Spec    { return specOf(platform.Prod, stack.ProfileStandard) }
func leanSpec() platform.Spec    { return specOf(platform.Prod, stack.ProfileLean) }

// everySpec are the forms that a stack comes in, by name.
func everySpec() map[string]platform.Spec {
	return map[string]platform.Spec{"dev": devSpec(), "staging": stagingSpec(), "prod": prodSpec(), "lean": leanSpec()}
}

// A registered is a resource as the engine would hear of it.
type registered struct {
	kind, name, parent string
	inputs             resource.PropertyMap
	protect, retain    bool
	provider           string
	custom             bool
	references         map[string][]string // URNs that an input was computed from
	after              []string            // URNs of everything that has to be there before
}

// urn ends the resource's URN, whatever the types of its parents.
func (r registered) urn() string { return r.kind + "::" + r.name }

// input is the input at a path of property names and indices; nil where there
// is none.
func (r registered) input(path string) any {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		panic(err)
	}
	value, ok := parsed.Get(resource.NewProperty(r.inputs))
	if !ok {
		return nil
	}
	if value.IsSecret() {
		value = value.SecretValue().Element
	}
	return value.Mappable()
}

// secret tells whether the input at a path, or what it is part of, is secret.
func (r registered) secret(path string) bool {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		panic(err)
	}
	value := resource.NewProperty(r.inputs)
	for _, step := range parsed {
		if value.IsSecret() {
			return true
		}
		var ok bool
		if value, ok = (resource.PropertyPath{step}).Get(value); !ok {
			return false
		}
	}
	return value.IsSecret()
}

// policy is a policy document among the inputs.
func (r registered) policy(t *testing.T, input string) []statement {
	t.Helper()
	text, ok := r.input(input).(string)
	if !ok {
		t.Fatalf("%s: %s is %v, want a policy", r.urn(), input, r.input(input))
	}
	var document struct{ Statement []statement }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%s: %s: %v", r.urn(), input, err)
	}
	return document.Statement
}

// account stands for the cloud: it records what is registered, and answers as
// AWS would in shape.
type account struct {
	mu        sync.Mutex
	resources []registered
	outputs   int                                                                 // components that have registered their outputs
	answers   map[string]func(resource.PropertyMap) (resource.PropertyMap, error) // over those of [answers], by token
	asked     []string                                                            // tokens of what was looked up
}

// deployment is what a program has registered.
type deployment struct {
	*account
	platform *platform.Platform
	err      error
}

// deploy runs the program as "pulumi up" does on a new stack. Tests that ask for
// the same spec look at the same deployment, and change nothing of it.
func deploy(t *testing.T, spec platform.Spec) deployment {
	t.Helper()
	once, _ := deployments.LoadOrStore(fmt.Sprintf("%+v", spec), sync.OnceValue(func() deployment {
		return run(spec, &account{}, false, provision)
	}))
	made := once.(func() deployment)()
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made
}

// deployments are those that tests have asked for, by their specs.
var deployments sync.Map

// preview runs it as "pulumi preview" does: no resource has any output.
func preview(t *testing.T, spec platform.Spec) deployment {
	t.Helper()
	made := run(spec, &account{}, true, provision)
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made
}

// provision is the whole cloud layer.
func provision(ctx *pulumi.Context, spec platform.Spec, into *deployment) error {
	made, err := New().Provision(ctx, spec)
	into.platform = made
	return err
}

// run runs a part of the program.
func run(spec platform.Spec, in *account, dry bool, program func(*pulumi.Context, platform.Spec, *deployment) error) deployment {
	made := deployment{account: in}
	made.err = pulumi.RunErr(func(ctx *pulumi.Context) error {
		return program(ctx, spec, &made)
	}, pulumi.WithMocks(spec.Project, spec.Stack, in), func(info *pulumi.RunInfo) { info.DryRun = dry })
	return made
}

// NewResource implements pulumi.MockResourceMonitor.
func (a *account) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == "pulumi:pulumi:Stack" {
		return "", args.Inputs, nil
	}
	call := args.RegisterRPC
	made := registered{
		kind: args.TypeToken, name: args.Name, parent: call.GetParent(), inputs: args.Inputs, provider: args.Provider, custom: args.Custom,
		protect: call.GetProtect(), retain: call.GetRetainOnDelete(), references: map[string][]string{},
		after: call.GetDependencies(),
	}
	for input, on := range call.GetPropertyDependencies() {
		made.references[input] = on.GetUrns()
	}
	a.mu.Lock()
	a.resources = append(a.resources, made)
	a.mu.Unlock()
	if !args.Custom {
		return "", args.Inputs, nil
	}
	return args.Name + "-id", computed(args), nil
}

// RegisterResourceOutputs counts the components that are complete.
func (a *account) RegisterResourceOutputs() (*emptypb.Empty, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outputs++
	return &emptypb.Empty{}, nil
}

// computed are the inputs of a resource and what AWS adds to them.
func computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	outputs := args.Inputs.Copy()
	add := func(values map[string]any) {
		for name, value := range resource.NewPropertyMapFromMap(values) {
			if _, given := outputs[name]; !given {
				outputs[name] = value
			}
		}
	}
	add(map[string]any{
		"arn": "arn:aws:" + args.TypeToken + ":" + args.Name, "arnSuffix": "suffix/" + args.Name, "name": args.Name, "dnsName": args.Name + ".example.net",
		"zoneId": "Z" + args.Name, "hostedZoneId": "Z" + args.Name, "keyId": "key/" + args.Name, "bucket": args.Name, "fqdn": args.Name + ".example.com",
		"domainName": args.Name + ".example.net", "bucketDomainName": args.Name + ".s3.example.net", "allocationId": "eip/" + args.Name,
		"repositoryUrl": "registry.example.net/" + args.Name, "endpoint": args.Name + ".example.net", "clusterResourceId": "cluster-ABCDEFGH",
		"clusterIdentifier": args.Name, "result": "made-up-" + args.Name, "certificateArn": "arn:aws:acm:" + args.Name, "dsRecord": "1234 13 2 ABCD",
		"latestVersion": 1, "primaryEndpointAddress": args.Name + ".example.net", "brokerName": args.Name, "hex": "0a1b2c3d",
	})
	switch args.TypeToken {
	case "aws:eks/cluster:Cluster":
		outputs["certificateAuthority"] = resource.NewProperty(resource.PropertyMap{"data": resource.NewProperty("Q0E=")})
		network := outputs["vpcConfig"].ObjectValue()
		network["clusterSecurityGroupId"] = resource.NewProperty("sg-of-eks")
	case "aws:eks/nodeGroup:NodeGroup":
		add(map[string]any{"resources": []any{map[string]any{"autoscalingGroups": []any{map[string]any{"name": "asg/" + args.Name}}}}})
	case "aws:acm/certificate:Certificate":
		add(map[string]any{"domainValidationOptions": []any{map[string]any{
			"resourceRecordName": "_proof.kv.example.com.", "resourceRecordType": "CNAME", "resourceRecordValue": "_proof.acm-validations.aws.",
		}}})
	case "aws:rds/cluster:Cluster":
		add(map[string]any{"masterUserSecrets": []any{map[string]any{"secretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:admin"}}})
	case "aws:mq/broker:Broker":
		add(map[string]any{"instances": []any{map[string]any{
			"consoleUrl": "https://broker.example.net", "endpoints": []any{"amqps://broker.example.net:5671"}, "ipAddress": "10.20.193.10",
		}}})
	}
	return outputs
}

// answers are what can be looked up, by token.
var answers = map[string]resource.PropertyMap{
	"aws:index/getCallerIdentity:getCallerIdentity": resource.NewPropertyMapFromMap(map[string]any{
		"accountId": "123456789012", "arn": "arn:aws:sts::123456789012:assumed-role/admins/somebody",
	}),
	"aws:index/getPartition:getPartition": resource.NewPropertyMapFromMap(map[string]any{"partition": "aws", "dnsSuffix": "amazonaws.com"}),
	"aws:index/getAvailabilityZones:getAvailabilityZones": resource.NewPropertyMapFromMap(map[string]any{
		"names": []any{"eu-central-1a", "eu-central-1b", "eu-central-1c"},
	}),
	"aws:ec2/getManagedPrefixList:getManagedPrefixList": resource.NewPropertyMapFromMap(map[string]any{"id": "pl-cdn"}),
	"aws:route53/getZone:getZone": resource.NewPropertyMapFromMap(map[string]any{
		"name": "kv.example.com.", "privateZone": false, "nameServers": []any{"ns-1.example.net", "ns-2.example.net"},
	}),
	"aws:servicequotas/getServiceQuota:getServiceQuota": resource.NewPropertyMapFromMap(map[string]any{"value": 1000.0}),
	"aws:ecr/getImage:getImage":                         resource.NewPropertyMapFromMap(map[string]any{"imageDigest": "sha256:0"}),
}

// Call implements pulumi.MockResourceMonitor.
func (a *account) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	a.mu.Lock()
	a.asked = append(a.asked, args.Token)
	a.mu.Unlock()
	if answer, ok := a.answers[args.Token]; ok {
		return answer(args.Args)
	}
	answer, ok := answers[args.Token]
	if !ok {
		return nil, fmt.Errorf("nobody knows %s", args.Token)
	}
	return answer, nil
}

// of are the resources of a type, in the order of their names.
func (a *account) of(kind string) []registered {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []registered
	for _, r := range a.resources {
		if r.kind == kind {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b registered) int { return strings.Compare(a.name, b.name) })
	return found
}

// the is the one resource of a type and name.
func (a *account) the(t *testing.T, kind, name string) registered {
	t.Helper()
	for _, r := range a.of(kind) {
		if r.name == name {
			return r
		}
	}
	t.Fatalf("there is no %s %s among %v", kind, name, names(a.of(kind)))
	return registered{}
}

func names(resources []registered) []string {
	var all []string
	for _, r := range resources {
		all = append(all, r.name)
	}
	return all
}

// want compares inputs by their paths.
func (r registered) want(t *testing.T, inputs map[string]any) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(inputs)) {
		got, want := fmt.Sprint(r.input(path)), fmt.Sprint(inputs[path])
		if got != want {
			t.Errorf("%s: %s is %s, want %s", r.urn(), path, got, want)
		}
	}
}

// resolve is the text of an output, once everything is known.
func resolve(t *testing.T, output pulumi.StringOutput) string {
	t.Helper()
	value := make(chan string, 1)
	output.ApplyT(func(text string) string { value <- text; return text })
	select {
	case text := <-value:
		return text
	case <-t.Context().Done():
		t.Fatal("an output was never known")
		return ""
	}
}

// noNameServers stands for a resolver that cannot be reached.
func noNameServers(context.Context, string) ([]*net.NS, error) {
	return nil, &net.DNSError{Err: "no route to host", IsTemporary: true}
}
