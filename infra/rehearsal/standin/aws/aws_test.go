package aws

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

func newSession(t *testing.T, cloud *standin.Cloud, region string) standin.Session {
	t.Helper()
	provider, err := New(cloud)
	if err != nil {
		t.Fatal(err)
	}
	session, err := provider.Configure(resource.NewPropertyMapFromMap(map[string]any{
		"region": region, "defaultTags": `{"tags":{"owner":"store"}}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func of(typ, name string) standin.Resource {
	urn := resource.URN("urn:pulumi:test::trivet::" + typ + "::" + name)
	return standin.Resource{URN: urn, Type: typ, Name: name}
}

// Every name in the tables has to be one that the provider's schema has: a
// wrong one would never be looked up, and its rule never hold.
func TestTablesNameWhatTheSchemaHas(t *testing.T) {
	t.Parallel()
	provider, err := New(standin.NewCloud())
	if err != nil {
		t.Fatal(err)
	}
	for token, kind := range provider.Kinds {
		definition, ok := provider.Schema.Resources[token]
		if !ok {
			t.Errorf("%s: not in the schema", token)
			continue
		}
		for _, input := range slices.Concat(kind.Replace, kind.Keep) {
			if _, ok := definition.Inputs[input]; !ok {
				t.Errorf("%s has no input %q", token, input)
			}
		}
		for output := range kind.Outputs {
			if _, ok := definition.Outputs[output]; !ok {
				t.Errorf("%s has no output %q", token, output)
			}
		}
		for _, output := range kind.Volatile {
			if _, ok := definition.Outputs[output]; !ok {
				t.Errorf("%s has no output %q", token, output)
			}
		}
		if name := kind.Naming.Property; name != "" {
			if _, ok := definition.Inputs[name]; !ok {
				t.Errorf("%s has no name %q", token, name)
			}
		}
	}
	for token := range provider.Functions {
		if _, ok := provider.Schema.Functions[token]; !ok {
			t.Errorf("%s: no such function", token)
		}
	}
}

// What a stand-in computes has to be of the type that the SDK expects, or the
// program would fail where a real one works.
func TestComputedOutputsFitTheSchema(t *testing.T) {
	t.Parallel()
	provider, err := New(standin.NewCloud())
	if err != nil {
		t.Fatal(err)
	}
	session, err := provider.Configure(resource.NewPropertyMapFromMap(map[string]any{"region": "us-east-1"}))
	if err != nil {
		t.Fatal(err)
	}
	for token, definition := range provider.Schema.Resources {
		inputs := resource.PropertyMap{}
		if provider.Kinds[token].Naming.Property != "" {
			inputs[resource.PropertyKey(provider.Kinds[token].Naming.Property)] = resource.NewProperty("alias/x")
		}
		if token == "aws:lb/loadBalancer:LoadBalancer" {
			inputs["subnets"] = list("subnet-1", "subnet-2")
		}
		object, err := session.Create(t.Context(), of(token, "x"), inputs)
		if err != nil {
			t.Errorf("%s: %v", token, err)
			continue
		}
		for _, failure := range provider.Schema.Check(definition.Outputs, object.Outputs) {
			t.Errorf("%s: %v", token, failure)
		}
		if strings.ContainsAny(object.ID, "{}") {
			t.Errorf("%s: the id %q has a placeholder left", token, object.ID)
		}
	}
}

func TestIdsAndARNsLookLikeAWSs(t *testing.T) {
	t.Parallel()
	session := newSession(t, standin.NewCloud(), "eu-central-1")
	vpc, err := session.Create(t.Context(), of("aws:ec2/vpc:Vpc", "net"), resource.NewPropertyMapFromMap(map[string]any{"cidrBlock": "10.0.0.0/16"}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(vpc.ID, "vpc-") || len(vpc.ID) != len("vpc-0123456789abcdef0") {
		t.Errorf("id %q", vpc.ID)
	}
	if want := "arn:aws:ec2:eu-central-1:123456789012:vpc/" + vpc.ID; text(vpc.Outputs["arn"]) != want {
		t.Errorf("arn %q, want %q", text(vpc.Outputs["arn"]), want)
	}
}

func TestWhatAWSRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		typ    string
		inputs map[string]any
		want   string
	}{
		"a subnet outside the network":     {"aws:ec2/subnet:Subnet", map[string]any{"vpcId": "VPC", "cidrBlock": "10.1.0.0/24"}, "InvalidSubnet.Range"},
		"a subnet over another":            {"aws:ec2/subnet:Subnet", map[string]any{"vpcId": "VPC", "cidrBlock": "10.0.0.0/20"}, "InvalidSubnet.Conflict"},
		"an alias without its prefix":      {"aws:kms/alias:Alias", map[string]any{"name": "x", "targetKeyId": "k"}, "alias/"},
		"a balancer in one zone":           {"aws:lb/loadBalancer:LoadBalancer", map[string]any{"subnets": []any{"subnet-1"}}, "two different Availability Zones"},
		"CloudFront's firewall elsewhere":  {"aws:wafv2/webAcl:WebAcl", map[string]any{"scope": "CLOUDFRONT"}, "us-east-1"},
		"a failover without a replica":     {"aws:elasticache/replicationGroup:ReplicationGroup", map[string]any{"automaticFailoverEnabled": true, "numCacheClusters": 1}, "at least 2"},
		"two zones without a failover":     {"aws:elasticache/replicationGroup:ReplicationGroup", map[string]any{"multiAzEnabled": true, "numCacheClusters": 2}, "automatic failover"},
		"a network that is not there":      {"aws:ec2/internetGateway:InternetGateway", map[string]any{"vpcId": "vpc-0123456789abcdef0"}, "does not exist"},
		"a group without an id":            {"aws:ec2/launchTemplate:LaunchTemplate", map[string]any{"vpcSecurityGroupIds": []any{""}}, "is empty"},
		"a second role of the same name":   {"aws:iam/role:Role", map[string]any{"name": "taken"}, "AlreadyExists"},
		"a second bucket of the same name": {"aws:s3/bucketV2:BucketV2", map[string]any{"bucket": "taken"}, "AlreadyExists"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session := newSession(t, standin.NewCloud(), "eu-central-1")
			create := func(typ, name string, inputs map[string]any) (*standin.Object, error) {
				return session.Create(t.Context(), of(typ, name), resource.NewPropertyMapFromMap(inputs))
			}
			vpc, err := create("aws:ec2/vpc:Vpc", "net", map[string]any{"cidrBlock": "10.0.0.0/16"})
			if err != nil {
				t.Fatal(err)
			}
			for typ, inputs := range map[string]map[string]any{
				"aws:ec2/subnet:Subnet":    {"vpcId": vpc.ID, "cidrBlock": "10.0.0.0/24"},
				"aws:iam/role:Role":        {"name": "taken"},
				"aws:s3/bucketV2:BucketV2": {"bucket": "taken"},
			} {
				if _, err := create(typ, "first", inputs); err != nil {
					t.Fatal(err)
				}
			}
			if c.inputs["vpcId"] == "VPC" {
				c.inputs["vpcId"] = vpc.ID
			}
			if _, err := create(c.typ, "second", c.inputs); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestProviderTagsReachResources(t *testing.T) {
	t.Parallel()
	session := newSession(t, standin.NewCloud(), "eu-central-1")
	r := of("aws:ec2/vpc:Vpc", "net")
	inputs, failures := session.Check(r, resource.NewPropertyMapFromMap(map[string]any{
		"cidrBlock": "10.0.0.0/16", "tags": map[string]any{"Name": "net"},
	}), standin.Naming{})
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	got := inputs["tags"].ObjectValue()
	if text(got["owner"]) != "store" || text(got["Name"]) != "net" {
		t.Errorf("tags %v", got)
	}
}

func TestNamesKeepToTheLimits(t *testing.T) {
	t.Parallel()
	session := newSession(t, standin.NewCloud(), "eu-central-1")
	r := of("aws:lb/targetGroup:TargetGroup", "a-name-that-is-much-too-long-for-a-target-group")
	naming := standin.Naming{Seed: []byte("seed"), Proposed: r.Name + "-1234567"}
	if _, failures := session.Check(r, resource.PropertyMap{}, naming); len(failures) == 0 || !strings.Contains(failures[0].Reason, "32 characters") {
		t.Errorf("failures %v, want one about the length", failures)
	}
	r = of("aws:lb/targetGroup:TargetGroup", "api")
	inputs, failures := session.Check(r, resource.PropertyMap{}, standin.Naming{Seed: []byte("seed")})
	if len(failures) > 0 || !strings.HasPrefix(text(inputs["name"]), "api-") {
		t.Errorf("name %v, failures %v", inputs["name"], failures)
	}
	again, _ := session.Check(r, resource.PropertyMap{}, standin.Naming{Seed: []byte("other"), Old: inputs})
	if text(again["name"]) != text(inputs["name"]) {
		t.Errorf("the name changed from %v to %v", inputs["name"], again["name"])
	}
}

func TestPolicyDocumentIsTheProviders(t *testing.T) {
	t.Parallel()
	session := newSession(t, standin.NewCloud(), "eu-central-1")
	result, failures, err := session.Invoke(t.Context(), "aws:iam/getPolicyDocument:getPolicyDocument", resource.NewPropertyMapFromMap(map[string]any{
		"statements": []any{
			map[string]any{
				"sid": "Read", "actions": []any{"s3:GetObject", "s3:ListBucket"}, "resources": []any{"*"},
				"principals": []any{map[string]any{"type": "Service", "identifiers": []any{"backup.amazonaws.com"}}},
				"conditions": []any{map[string]any{"test": "StringEquals", "variable": "aws:SourceAccount", "values": []any{"123456789012"}}},
			},
		},
	}))
	if err != nil || len(failures) > 0 {
		t.Fatal(err, failures)
	}
	want := `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["s3:ListBucket","s3:GetObject"],"Resource":"*",` +
		`"Principal":{"Service":"backup.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}]}`
	if got := text(result["minifiedJson"]); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !json.Valid([]byte(text(result["json"]))) {
		t.Errorf("not JSON: %s", text(result["json"]))
	}
}

func TestARegionHasToBeSet(t *testing.T) {
	t.Parallel()
	provider, err := New(standin.NewCloud())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Configure(resource.PropertyMap{}); err == nil {
		t.Error("configured without a region")
	}
}
