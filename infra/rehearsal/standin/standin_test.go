package standin

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// vault is a provider of one type, with a secret of its own.
func vault(cloud *Cloud) *Simulated {
	return &Simulated{
		Schema: &schema.Provider{
			Name: "vault", Version: "1.2.3", Config: schema.Properties{"region": "string"},
			Resources: map[string]*schema.Resource{"vault:index/box:Box": {
				Inputs:  schema.Properties{"name": "string", "size": "!int", "label": "vault.Label", "code": "string"},
				Outputs: schema.Properties{"name": "!string", "size": "!int", "label": "vault.Label", "code": "string", "key": "!string"},
				Secrets: []string{"key"},
			}},
			Types: map[string]schema.Properties{"vault.Label": {"text": "!string", "colour": "string"}},
		},
		Cloud: cloud,
		Kinds: map[string]Kind{"vault:index/box:Box": {Naming: Names{Property: "name", Max: 20}, Replace: []string{"size"}}},
	}
}

const boxURN = "urn:pulumi:test::trivet::vault:index/box:Box::box"

// client speaks the protocol with a served provider, as the engine does.
func client(t *testing.T, cloud *Cloud) pulumirpc.ResourceProviderClient {
	t.Helper()
	plugins, err := Serve(t.Context(), cloud, vault(cloud))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plugins.Close)
	name, value := plugins.Environment()
	if name != "PULUMI_DEBUG_PROVIDERS" {
		t.Errorf("variable %s", name)
	}
	return dial(t, strings.TrimPrefix(value, "vault:"))
}

func dial(t *testing.T, port string) pulumirpc.ResourceProviderClient {
	t.Helper()
	connection, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return pulumirpc.NewResourceProviderClient(connection)
}

func configure(t *testing.T, c pulumirpc.ResourceProviderClient) {
	t.Helper()
	if _, err := c.Configure(t.Context(), &pulumirpc.ConfigureRequest{}); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsStaySecretOnTheirWay(t *testing.T) {
	t.Parallel()
	c := client(t, NewCloud())
	configure(t, c)
	inputs, err := marshal(resource.PropertyMap{
		"name": resource.NewProperty("box"), "size": resource.NewProperty(1.0), "code": resource.MakeSecret(resource.NewProperty("1234")),
		"label": resource.NewProperty(resource.PropertyMap{"text": resource.MakeSecret(resource.NewProperty("x")), "colour": resource.NewProperty("red")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := c.Check(t.Context(), &pulumirpc.CheckRequest{Urn: boxURN, News: inputs})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatal(err, checked.GetFailures())
	}
	created, err := c.Create(t.Context(), &pulumirpc.CreateRequest{Urn: boxURN, Properties: checked.GetInputs()})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := unmarshal(created.GetProperties())
	if err != nil {
		t.Fatal(err)
	}
	label := outputs["label"].ObjectValue()
	for name, want := range map[string]bool{
		"code": outputs["code"].IsSecret(), "key": outputs["key"].IsSecret(), "label.text": label["text"].IsSecret(),
		"colour is none": !label["colour"].IsSecret(), "size is none": !outputs["size"].IsSecret(),
	} {
		if !want {
			t.Errorf("%s: %v", name, outputs)
		}
	}
}

func TestAConnectionHasItsOwnSession(t *testing.T) {
	t.Parallel()
	cloud := NewCloud()
	provider := vault(cloud)
	provider.Settings = func(config resource.PropertyMap) (Settings, error) {
		return Settings{Region: config["region"].StringValue()}, nil
	}
	plugins, err := Serve(t.Context(), cloud, provider)
	if err != nil {
		t.Fatal(err)
	}
	defer plugins.Close()
	_, value := plugins.Environment()
	for _, region := range []string{"north", "south"} {
		c := dial(t, strings.TrimPrefix(value, "vault:"))
		args, err := marshal(resource.NewPropertyMapFromMap(map[string]any{"region": region}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Configure(t.Context(), &pulumirpc.ConfigureRequest{Args: args}); err != nil {
			t.Fatal(err)
		}
		inputs, err := marshal(resource.NewPropertyMapFromMap(map[string]any{"name": region, "size": 1}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Create(t.Context(), &pulumirpc.CreateRequest{Urn: boxURN + region, Properties: inputs}); err != nil {
			t.Fatal(err)
		}
		if got := cloud.Get("vault:index/box:Box", region); got.Region != region {
			t.Errorf("made in %q, want %q", got.Region, region)
		}
	}
}

func TestAnUnconfiguredProviderRefusesToWork(t *testing.T) {
	t.Parallel()
	if _, err := client(t, NewCloud()).Create(t.Context(), &pulumirpc.CreateRequest{Urn: boxURN}); err == nil {
		t.Error("created without a configuration")
	}
}

func TestTheVersionHasToFit(t *testing.T) {
	t.Parallel()
	c := client(t, NewCloud())
	for version, fits := range map[string]bool{"1.2.3": true, "1.2.4": false} {
		news, err := marshal(resource.NewPropertyMapFromMap(map[string]any{"version": version}))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.CheckConfig(t.Context(), &pulumirpc.CheckRequest{News: news})
		if err != nil {
			t.Fatal(err)
		}
		if (len(answer.GetFailures()) == 0) != fits {
			t.Errorf("version %s: %v", version, answer.GetFailures())
		}
	}
}

func TestInputsAreHeldAgainstTheSchema(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		inputs map[string]any
		path   string
	}{
		"an unknown one":           {map[string]any{"size": 1, "seize": 2}, "seize"},
		"a missing one":            {map[string]any{}, "size"},
		"a wrong type":             {map[string]any{"size": "1"}, "size"},
		"half a number":            {map[string]any{"size": 1.5}, "size"},
		"an unknown one within":    {map[string]any{"size": 1, "label": map[string]any{"text": "x", "color": "red"}}, "label.color"},
		"a missing one within":     {map[string]any{"size": 1, "label": map[string]any{}}, "label.text"},
		"an object that is a text": {map[string]any{"size": 1, "label": "x"}, "label"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := client(t, NewCloud())
			configure(t, client)
			news, err := marshal(resource.NewPropertyMapFromMap(c.inputs))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Check(t.Context(), &pulumirpc.CheckRequest{Urn: boxURN, News: news, RandomSeed: []byte("seed")})
			if err != nil {
				t.Fatal(err)
			}
			if len(answer.GetFailures()) != 1 || answer.GetFailures()[0].GetProperty() != c.path {
				t.Errorf("failures %v, want one at %s", answer.GetFailures(), c.path)
			}
		})
	}
}

func TestDiffSaysWhatIsReplaced(t *testing.T) {
	t.Parallel()
	c := client(t, NewCloud())
	configure(t, c)
	label := map[string]any{"text": "x", "colour": "red"}
	olds, err := marshal(resource.NewPropertyMapFromMap(map[string]any{"size": 1, "label": label}))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		news     map[string]any
		paths    []string
		replaced bool
	}{
		"nothing":      {map[string]any{"size": 1, "label": label}, nil, false},
		"in place":     {map[string]any{"size": 1, "label": map[string]any{"text": "y"}}, []string{"label.text", "label.colour"}, false},
		"another one":  {map[string]any{"size": 2, "label": label}, []string{"size"}, true},
		"taken away":   {map[string]any{"size": 1}, []string{"label"}, false},
		"null is none": {map[string]any{"size": 1, "label": label, "code": nil}, nil, false},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			news, err := marshal(resource.NewPropertyMapFromMap(want.news))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := c.Diff(t.Context(), &pulumirpc.DiffRequest{Urn: boxURN, Id: "box", OldInputs: olds, Olds: olds, News: news})
			if err != nil {
				t.Fatal(err)
			}
			if (len(answer.GetReplaces()) > 0) != want.replaced || len(answer.GetDetailedDiff()) != len(want.paths) {
				t.Errorf("got %v", answer)
			}
			for _, path := range want.paths {
				if answer.GetDetailedDiff()[path] == nil {
					t.Errorf("%s is not in %v", path, answer.GetDetailedDiff())
				}
			}
		})
	}
}

func TestWhatFaultsAndDriftsMayBeWritten(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"aws:ec2/subnet:Subnet#3": true, "aws:ec2/subnet:Subnet#3:timeout": true, "aws:ec2/subnet:Subnet#1:throttle": true,
		"aws:ec2/subnet:Subnet": false, "Subnet#3": false, "aws:ec2/subnet:Subnet#0": false, "aws:ec2/subnet:Subnet#3:later": false,
	} {
		if _, err := ParseFault(text); (err == nil) != good {
			t.Errorf("fault %s: %v", text, err)
		}
	}
	for text, good := range map[string]bool{
		"a:b/c:D#1.tags={\"a\":\"b\"}": true, "a:b/c:D#2:gone": true, "a:b/c:D#2.size=3": true,
		"a:b/c:D": false, "a:b/c:D#2": false, "a:b/c:D#2.size": false, "a:b/c:D#x:gone": false, "a:b/c:D#1.size=three": false,
	} {
		if _, err := ParseDrift(text); (err == nil) != good {
			t.Errorf("drift %s: %v", text, err)
		}
	}
}
