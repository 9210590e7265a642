// Package workloadstest runs the workloads where there is neither an engine nor
// a cloud: a platform on nothing, and a record of what was registered.
package workloadstest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names of the project and the stack that programs run in.
const (
	Project = "trivet"
	Stack   = "test"
)

// Resource is a resource that a program has registered.
type Resource struct {
	URN           string
	Type          string
	Name          string
	Parent        string // URN
	Custom        bool   // not a component
	Dependencies  []string
	IgnoreChanges []string
	Inputs        resource.PropertyMap
}

// Manifest gives a resource of Kubernetes as the API server would get it, in
// JSON; nil for other resources.
func (r Resource) Manifest() ([]byte, error) {
	if !strings.HasPrefix(r.Type, "kubernetes:") {
		return nil, nil
	}
	text, err := json.Marshal(plain(resource.NewProperty(r.Inputs)))
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", r.Name, err)
	}
	return text, nil
}

// plain takes the marks of secrets off.
func plain(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return plain(v.SecretValue().Element)
	case v.IsOutput():
		return plain(v.OutputValue().Element)
	case v.IsArray():
		list := make([]any, len(v.ArrayValue()))
		for i, element := range v.ArrayValue() {
			list[i] = plain(element)
		}
		return list
	case v.IsObject():
		object := make(map[string]any, len(v.ObjectValue()))
		for name, element := range v.ObjectValue() {
			if element.IsNull() || name == "__defaults" {
				continue
			}
			object[string(name)] = plain(element)
		}
		return object
	case v.IsNumber():
		if n := v.NumberValue(); n == float64(int64(n)) {
			return int64(n)
		}
		return v.NumberValue()
	default:
		return v.V
	}
}

// Run runs a program and gives what it has registered, in that order. In a
// preview, nothing is known that a cloud or a cluster makes.
func Run(program pulumi.RunFunc, preview bool) ([]Resource, error) {
	r := &recorder{preview: preview}
	err := pulumi.RunErr(program, pulumi.WithMocks(Project, Stack, r), func(info *pulumi.RunInfo) { info.DryRun = preview })
	return r.resources, err
}

type recorder struct {
	preview bool

	mu        sync.Mutex
	resources []Resource
}

// Call implements pulumi.MockResourceMonitor: the workloads ask nobody.
func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected call of %s", args.Token)
}

// NewResource implements pulumi.MockResourceMonitor.
func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	made := Resource{Type: args.TypeToken, Name: args.Name, Custom: args.Custom, Inputs: args.Inputs}
	if rpc := args.RegisterRPC; rpc != nil {
		made.Parent, made.Dependencies, made.IgnoreChanges = rpc.GetParent(), rpc.GetDependencies(), rpc.GetIgnoreChanges()
		// The mock's view of the inputs has lost which of them are unknown.
		inputs, err := plugin.UnmarshalProperties(rpc.GetObject(), plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepOutputValues: true})
		if err != nil {
			return "", nil, fmt.Errorf("inputs of %s: %w", args.Name, err)
		}
		made.Inputs = inputs
	}
	made.URN = urn(made)
	r.mu.Lock()
	r.resources = append(r.resources, made)
	r.mu.Unlock()
	// The SDK's mock cannot carry a secret that is not known: keys and passwords
	// are made in a preview, too.
	if r.preview && !strings.HasPrefix(args.TypeToken, "tls:") && !strings.HasPrefix(args.TypeToken, "random:") {
		return "", resource.PropertyMap{}, nil
	}
	outputs, err := answer(args.TypeToken, args.Inputs)
	return args.Name + "-id", outputs, err
}

// urn gives the name that the mock gives a resource.
func urn(r Resource) string {
	parent := tokens.Type("")
	if of := resource.URN(r.Parent); of != "" && of.QualifiedType() != resource.RootStackType {
		parent = of.QualifiedType()
	}
	return string(resource.NewURN(Stack, Project, parent, tokens.Type(r.Type), r.Name))
}
