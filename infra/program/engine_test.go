package program

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// engine stands for Pulumi's. It notes what is registered.
type engine struct {
	unknown  bool           // no output is known, as when nothing has been made yet
	platform map[string]any // that a referenced stack has as its output; nil: it has none

	mu         sync.Mutex
	registered map[string]string // parent by "type name"
}

// NewResource implements pulumi.MockResourceMonitor.
func (e *engine) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == "pulumi:pulumi:StackReference" {
		outputs := resource.PropertyMap{}
		if e.platform != nil {
			outputs[platformOutput] = resource.MakeSecret(resource.NewObjectProperty(resource.NewPropertyMapFromMap(e.platform)))
		}
		return args.Name, resource.PropertyMap{"name": resource.NewProperty(args.Name), "outputs": resource.NewProperty(outputs)}, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.registered == nil {
		e.registered = make(map[string]string)
	}
	e.registered[args.TypeToken+" "+args.Name] = args.RegisterRPC.GetParent()
	if e.unknown {
		return "", secretsOf(args.TypeToken), nil
	}
	state := maps.Clone(args.Inputs)
	if state == nil {
		state = resource.PropertyMap{}
	}
	maps.Copy(state, secretsOf(args.TypeToken))
	if args.TypeToken == "island:index:Thing" {
		state["endpoint"] = resource.NewProperty(args.Name + ".island.example.com")
	}
	return args.Name + "-id", state, nil
}

// secretsOf gives what providers of keys and passwords make, which is known
// always: the SDK's mock cannot carry a secret that is not known.
func secretsOf(kind string) resource.PropertyMap {
	made := resource.PropertyMap{}
	if strings.HasPrefix(kind, "tls:") || strings.HasPrefix(kind, "random:") {
		for _, name := range []resource.PropertyKey{"privateKeyPem", "certPem", "certRequestPem", "result"} {
			made[name] = resource.NewProperty("made")
		}
	}
	return made
}

// Call implements pulumi.MockResourceMonitor.
func (*engine) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

// names gives what was registered.
func (e *engine) names() []string { return slices.Sorted(maps.Keys(e.registered)) }

// bystander judges nothing.
type bystander struct{}

func watchNothing(*pulumi.Context, stack.Config) (Judge, error) { return bystander{}, nil }

// Finish implements Judge.
func (bystander) Finish(*pulumi.Context) pulumi.Output {
	return pulumi.ToOutput(map[string]any{"passed": 0, "failed": 0, "waived": []any{}})
}

// Graph implements Judge.
func (bystander) Graph(_ *pulumi.Context, compute func(graph.Graph) (any, error)) pulumi.Output {
	return pulumi.String("").ToStringOutput().ApplyT(func(string) (any, error) { return compute(nil) })
}

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// settings gives those of a stack, by name without their namespace.
func settings(changes map[string]string) map[string]string {
	all := map[string]string{
		"tier": "prod", "domain": "kv.example.com", "owner": "platform", "ownerEmail": "platform@example.com", "costCentre": "4711",
		"cluster": `{"runnerInside":true,"adminRoles":["arn:aws:iam::111122223333:role/deployer"],"nodeAutoscaler":"none"}`,
		"edge":    `{"zoneID":"Z0123456789ABCDEFGHIJ"}`,
		"services": `{"api":{"image":"` + digest + `"},"consumer":{"image":"` + digest + `"},
			"autoscaler":{"image":"` + digest + `"}}`,
	}
	maps.Copy(all, changes)
	return all
}

// outcome is what came of a deployment.
type outcome struct {
	names   []string // of the outputs
	text    []byte   // of the outputs, as JSON; empty when one of them is unknown
	secrets []string // names of the outputs that are secret
	err     error
}

// deploy runs the program on an engine.
func deploy(t *testing.T, e *engine, cloud platform.Cloud, given map[string]string) outcome {
	t.Helper()
	config := make(map[string]string)
	for name, value := range given {
		config["trivet:"+name] = value
	}
	var result outcome
	result.err = pulumi.RunErr(func(ctx *pulumi.Context) error {
		outputs, err := Program{Clouds: []platform.Cloud{cloud}, Watch: watchNothing}.deploy(ctx)
		if err != nil {
			return err
		}
		return result.read(ctx, outputs)
	}, pulumi.WithMocks("trivet", "prod-island", e), func(info *pulumi.RunInfo) {
		info.Config, info.DryRun = config, e.unknown
	})
	return result
}

func (o *outcome) read(ctx *pulumi.Context, outputs pulumi.Map) error {
	values := make(map[string]any)
	known := true
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		awaited, err := internals.UnsafeAwaitOutput(ctx.Context(), pulumi.ToOutput(outputs[name]))
		if err != nil {
			return err
		}
		o.names = append(o.names, name)
		if awaited.Secret {
			o.secrets = append(o.secrets, name)
		}
		known = known && awaited.Known
		values[name] = awaited.Value
	}
	if !known {
		return nil
	}
	var err error
	o.text, err = json.Marshal(values)
	return err
}

// typeOf gives the type of what was registered under a name of [engine.names].
func typeOf(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return kind
}
