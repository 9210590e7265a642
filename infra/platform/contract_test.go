package platform_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/trivetkv/trivet/infra/platform"
)

// golden is the document of a platform whose every field is set. Another
// release reads what this one writes: when it changes in another way than by
// an addition, ContractVersion has to change, too.
const golden = "testdata/platform.json"

type mocks struct{}

func (mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

func (mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

// run runs a program without an engine.
func run(t *testing.T, program func(ctx *pulumi.Context)) {
	t.Helper()
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		program(ctx)
		return nil
	}, pulumi.WithMocks("trivet", "test", mocks{}))
	if err != nil {
		t.Fatal(err)
	}
}

// fill sets every field to a value of its own.
func fill(path string, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[pulumi.StringOutput]():
		v.Set(reflect.ValueOf(pulumi.String(path).ToStringOutput()))
		return
	case reflect.TypeFor[pulumi.StringMap]():
		v.Set(reflect.ValueOf(pulumi.StringMap{"first": pulumi.String(path + "#1"), "second": pulumi.String(path + "#2")}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(path)
	case reflect.Int:
		v.SetInt(int64(len(path)))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(path, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		element := reflect.New(v.Type().Elem()).Elem()
		fill(path+".key", element)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), element)
	default:
		panic("no value for " + v.Type().String())
	}
}

func full() *platform.Platform {
	p := &platform.Platform{}
	fill("Platform", reflect.ValueOf(p).Elem())
	return p
}

// document gives what a platform travels as, and whether all of it is secret.
func document(t *testing.T, ctx *pulumi.Context, p *platform.Platform) map[string]any {
	t.Helper()
	result, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.ToOutput(p.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	// As another stack gets it: numbers are JSON's.
	text, err := json.Marshal(result.Value)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestPlatformArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	run(t, func(ctx *pulumi.Context) {
		sent := document(t, ctx, full())
		arrived, err := platform.Decode(sent)
		if err != nil {
			t.Error(err)
			return
		}
		if again := document(t, ctx, arrived); !reflect.DeepEqual(again, sent) {
			t.Errorf("arrived as\n%v\nwant\n%v", again, sent)
		}
		if arrived.Broker == nil || arrived.Cluster.PodCIDRs[1] != "Platform.Cluster.PodCIDRs[1]" || arrived.Database.Port != len("Platform.Database.Port") {
			t.Errorf("plain values did not arrive: %+v", arrived)
		}
	})
}

func TestWhatIsEmptyStaysEmpty(t *testing.T) {
	t.Parallel()
	run(t, func(ctx *pulumi.Context) {
		arrived, err := platform.Decode(document(t, ctx, &platform.Platform{
			Services: map[string]platform.Identity{"api": {}},
			Database: platform.DatabaseEndpoint{CIDRs: []string{""}},
		}))
		if err != nil {
			t.Error(err)
			return
		}
		if arrived.Broker != nil || arrived.Cache.Password.Vault != nil || arrived.Edge.NodePort != 0 {
			t.Errorf("something came of nothing: %+v", arrived)
		}
		if _, there := arrived.Services["api"]; !there || len(arrived.Database.CIDRs) != 1 {
			t.Errorf("an empty element got lost: %+v", arrived)
		}
		// An output that nobody set can be used nevertheless.
		host, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.Sprintf("%s", arrived.Database.Host))
		if err != nil || host.Value != "" || !host.Known {
			t.Errorf("host %+v, %v", host, err)
		}
	})
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	run(t, func(ctx *pulumi.Context) {
		p := full()
		secret := func(encoded pulumi.Input) bool {
			result, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.ToOutput(encoded))
			if err != nil {
				t.Error(err)
			}
			return result.Secret
		}
		if !secret(p.Encode()["cluster"]) || secret(p.Encode()["edge"]) {
			t.Error("the access to the cluster has to be secret, and the edge not")
		}
		arrived, err := platform.Decode(document(t, ctx, p))
		if err != nil {
			t.Error(err)
			return
		}
		for name, output := range map[string]pulumi.Input{
			"kubeconfig": arrived.Cluster.Kubeconfig, "cache password": arrived.Cache.Password.Value, "administrator": arrived.Database.Admin.Value,
		} {
			if !secret(output) {
				t.Errorf("%s arrived in the clear", name)
			}
		}
		if secret(arrived.Database.Host) {
			t.Error("the database's host arrived as a secret, so that nothing could show it")
		}
	})
}

// The form is a contract between releases.
func TestDocumentKeepsItsForm(t *testing.T) {
	t.Parallel()
	run(t, func(ctx *pulumi.Context) {
		got, err := json.MarshalIndent(document(t, ctx, full()), "", "  ")
		if err != nil {
			t.Error(err)
			return
		}
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
				t.Error(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Error(err)
			return
		}
		if string(want) != string(got)+"\n" {
			t.Errorf("the document has another form than %s; write it anew with UPDATE=1, and raise ContractVersion unless something was only added. It is\n%s", golden, got)
		}
	})
}

func TestDocumentsOfOtherFormsAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		document any
		want     string
	}{
		"nothing":        {nil, "there is no platform"},
		"text":           {"platform", "there is no platform"},
		"no version":     {map[string]any{"cloud": "aws"}, "the platform's version"},
		"newer":          {map[string]any{"version": 2.0}, "form 2, of a newer release; this program reads form 1: update the program"},
		"older":          {map[string]any{"version": 0.0}, "deploy the cloud's stack with this release first"},
		"number":         {map[string]any{"version": 1.0, "cloud": 5.0}, "platform.cloud has to be text"},
		"fraction":       {map[string]any{"version": 1.0, "zones": 1.5}, "platform.zones: it has to be a whole number"},
		"text for parts": {map[string]any{"version": 1.0, "edge": "public"}, "platform.edge has to be an object"},
		"no list":        {map[string]any{"version": 1.0, "cluster": map[string]any{"podCIDRs": "all"}}, "platform.cluster.podCIDRs has to be a list"},
		"no output":      {map[string]any{"version": 1.0, "cluster": map[string]any{"name": 5.0}}, "platform.cluster.name has to be text"},
		"no map":         {map[string]any{"version": 1.0, "images": []any{}}, "platform.images has to be an object"},
		"no text in map": {map[string]any{"version": 1.0, "nodes": map[string]any{"args": map[string]any{"a": 1.0}}}, "platform.nodes.args.a has to be text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := platform.Decode(test.document)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// A wrong value may be a secret, so that no error shows one.
func TestErrorsShowNoValues(t *testing.T) {
	t.Parallel()
	_, err := platform.Decode(map[string]any{"version": 1.0, "cluster": map[string]any{"kubeconfig": map[string]any{"token": "hunter2"}}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// What a newer release of the same form adds means nothing here.
func TestAdditionsAreIgnored(t *testing.T) {
	t.Parallel()
	if _, err := platform.Decode(map[string]any{"version": 1.0, "mesh": map[string]any{"kind": "istio"}}); err != nil {
		t.Error(err)
	}
}
