package program

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/pkg/stackoutput"
)

func layer(of stack.Layer) map[string]string {
	if of == stack.LayerWorkloads {
		return settings(map[string]string{"layer": string(of), "cloudStack": "organization/trivet/prod-cloud"})
	}
	return settings(map[string]string{"layer": string(of)})
}

// made deploys a stack and gives its outputs, which have to fit their type.
func made(t *testing.T, e *engine, cloud *island, given map[string]string) (outcome, stackoutput.Outputs) {
	t.Helper()
	result := deploy(t, e, cloud, given)
	if result.err != nil {
		t.Fatal(result.err)
	}
	decoder := json.NewDecoder(bytes.NewReader(result.text))
	decoder.DisallowUnknownFields()
	var outputs stackoutput.Outputs
	if err := decoder.Decode(&outputs); err != nil {
		t.Fatalf("outputs: %v\n%s", err, result.text)
	}
	return result, outputs
}

// handedOn gives the platform that a stack of layer cloud hands on, as another
// stack reads it.
func handedOn(t *testing.T) map[string]any {
	t.Helper()
	_, outputs := made(t, &engine{}, &island{withBroker: true}, layer(stack.LayerCloud))
	return outputs.Platform
}

func TestEveryLayerTellsItsOutputs(t *testing.T) {
	t.Parallel()
	platform := handedOn(t)
	for _, of := range []stack.Layer{stack.LayerAll, stack.LayerCloud, stack.LayerWorkloads} {
		t.Run(string(of), func(t *testing.T) {
			t.Parallel()
			result, outputs := made(t, &engine{platform: platform}, &island{withBroker: true}, layer(of))
			var names, secrets []string
			for _, declared := range stackoutput.Declared() {
				if declared.Layer != stackoutput.LayerBoth && string(declared.Layer) != string(of) &&
					(of != stack.LayerAll || declared.Name == platformOutput) {
					continue
				}
				names = append(names, declared.Name)
				if declared.Secret {
					secrets = append(secrets, declared.Name)
				}
			}
			slices.Sort(names)
			slices.Sort(secrets)
			if !slices.Equal(result.names, names) {
				t.Errorf("outputs %v, want %v", result.names, names)
			}
			if !slices.Equal(result.secrets, secrets) {
				t.Errorf("secret are %v, want %v", result.secrets, secrets)
			}
			if outputs.APIURL != "https://api.kv.example.com" || outputs.Stack.Cloud != "island" || outputs.Version != stackoutput.Version {
				t.Errorf("outputs %+v", outputs)
			}
			want := stackoutput.Endpoints{
				Database: "trivet-database.island.example.com:5432/trivet", Cache: "rediss://trivet-cache.island.example.com:6379",
				Broker: "amqps://trivet-broker.island.example.com:5671",
			}
			if outputs.Endpoints != want {
				t.Errorf("endpoints %+v, want %+v", outputs.Endpoints, want)
			}
			if of.HasWorkloads() && outputs.Images["api"] != "registry.example.com/trivet/api@"+digest {
				t.Errorf("images %v", outputs.Images)
			}
		})
	}
}

// A layer makes its own resources and none of the other's: whoever deploys the
// workloads has no rights in the cloud, and refreshing the cloud asks no
// cluster.
func TestLayersShareNoResources(t *testing.T) {
	t.Parallel()
	platform := handedOn(t)
	registered := make(map[stack.Layer][]string)
	for _, of := range []stack.Layer{stack.LayerAll, stack.LayerCloud, stack.LayerWorkloads} {
		e, cloud := &engine{platform: platform}, &island{withBroker: true}
		made(t, e, cloud, layer(of))
		registered[of] = e.names()
		if asked := cloud.provisions > 0; asked != of.HasCloud() {
			t.Errorf("layer %s asked the cloud: %t", of, asked)
		}
	}
	for _, name := range registered[stack.LayerCloud] {
		if kind := typeOf(name); strings.HasPrefix(kind, "kubernetes:") || strings.HasPrefix(kind, "pulumi:providers:kubernetes") {
			t.Errorf("layer cloud makes %s", name)
		}
	}
	both := slices.Concat(registered[stack.LayerCloud], registered[stack.LayerWorkloads])
	slices.Sort(both)
	if !slices.Equal(both, registered[stack.LayerAll]) {
		t.Errorf("layer all makes\n%v\nthe other two together\n%v", registered[stack.LayerAll], both)
	}
}

func TestEveryResourceBelongsToAComponent(t *testing.T) {
	t.Parallel()
	e := &engine{}
	made(t, e, &island{withBroker: true}, layer(stack.LayerAll))
	if len(e.registered) < 30 {
		t.Fatalf("only %d resources", len(e.registered))
	}
	for _, name := range e.names() {
		parent := resource.URN(e.registered[name])
		component := strings.HasPrefix(typeOf(name), "trivet:")
		if within := strings.HasPrefix(string(parent.QualifiedType()), "trivet:"); !within && !component {
			t.Errorf("%s has the parent %q, which is no component", name, parent)
		}
	}
}

// Before the first deployment nothing is known of what is not made yet. That
// changes no resource and hides no output.
func TestUnknownOutputsChangeNothing(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]map[string]string{
		"production": layer(stack.LayerAll),
		"cloud":      layer(stack.LayerCloud),
		"hpa":        settings(map[string]string{"autoscaling": "hpa"}),
		"no broker":  settings(map[string]string{"broker": "none"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known, unknown := &engine{}, &engine{unknown: true}
			first := deploy(t, known, &island{withBroker: given["broker"] != "none"}, given)
			second := deploy(t, unknown, &island{withBroker: given["broker"] != "none"}, given)
			if first.err != nil || second.err != nil {
				t.Fatalf("known: %v, unknown: %v", first.err, second.err)
			}
			if second.text != nil {
				t.Error("every output is known, so nothing was tested")
			}
			if !slices.Equal(known.names(), unknown.names()) {
				t.Errorf("with outputs known\n%v\nunknown\n%v", known.names(), unknown.names())
			}
			if !slices.Equal(first.names, second.names) {
				t.Errorf("outputs %v, unknown %v", first.names, second.names)
			}
		})
	}
}

// Nothing is made where the deployment would fail anyway.
func TestRefusalsComeBeforeAnyResource(t *testing.T) {
	t.Parallel()
	newer := handedOn(t)
	newer["version"] = 99
	for name, test := range map[string]struct {
		settings map[string]string
		cloud    *island
		platform map[string]any
		want     string
	}{
		"wrong settings":     {settings: settings(map[string]string{"tier": "production"}), cloud: &island{}, want: `trivet:tier: it has to be dev, staging or prod`},
		"preflight":          {settings: layer(stack.LayerAll), cloud: &island{refuse: errNoZone}, want: "the deployment would fail:\nthe domain kv.example.com has no delegated zone"},
		"no platform":        {settings: layer(stack.LayerWorkloads), cloud: &island{}, want: "stack organization/trivet/prod-cloud has no platform; deploy it first"},
		"a platform too new": {settings: layer(stack.LayerWorkloads), cloud: &island{}, platform: newer, want: "form 99, of a newer release"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &engine{platform: test.platform}
			result := deploy(t, e, test.cloud, test.settings)
			if result.err == nil || !strings.Contains(result.err.Error(), test.want) {
				t.Errorf("got %v, want %q", result.err, test.want)
			}
			if len(e.registered) > 0 {
				t.Errorf("made %v", e.names())
			}
		})
	}
}

func TestUnknownCloudIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Program{Clouds: nil}.cloud("aws")
	if err == nil || !strings.Contains(err.Error(), "there is no cloud called aws") {
		t.Errorf("got %v", err)
	}
}
