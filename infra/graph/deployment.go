package graph

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// unknownText is what the engine writes for a value that it does not know.
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// ReadDeployment reads what "pulumi stack export" writes. Secrets are not
// decrypted.
func ReadDeployment(from io.Reader) (Graph, error) {
	var export struct {
		Deployment struct {
			Resources []struct {
				URN                  string              `json:"urn"`
				Type                 string              `json:"type"`
				Parent               string              `json:"parent"`
				Inputs               map[string]any      `json:"inputs"`
				Outputs              map[string]any      `json:"outputs"`
				Protect              bool                `json:"protect"`
				RetainOnDelete       bool                `json:"retainOnDelete"`
				Delete               bool                `json:"delete"` // replaced, and still to be deleted
				PropertyDependencies map[string][]string `json:"propertyDependencies"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.NewDecoder(from).Decode(&export); err != nil {
		return nil, fmt.Errorf("read the deployment: %w", err)
	}
	var g Graph
	for _, r := range export.Deployment.Resources {
		if r.Delete {
			continue
		}
		name, err := nameOf(r.URN)
		if err != nil {
			return nil, fmt.Errorf("read the deployment: %w", err)
		}
		g = append(g, Resource{
			URN: r.URN, Type: r.Type, Name: name, Parent: r.Parent,
			Inputs: fromState(r.Inputs), Outputs: fromState(r.Outputs),
			References: r.PropertyDependencies, Protect: r.Protect, RetainOnDelete: r.RetainOnDelete,
		})
	}
	return g, nil
}

// fromState replaces what the engine writes for secrets and unknown values.
func fromState(properties map[string]any) map[string]any {
	read, _ := replaced(properties, func(value any) (any, bool) {
		switch held := value.(type) {
		case string:
			if held == unknownText {
				return Unknown{}, true
			}
		case map[string]any:
			if held[resource.SigKey] == resource.SecretSig {
				return Secret{}, true
			}
		}
		return nil, false
	}).(map[string]any)
	return read
}

// replaced copies a value, with every part of it that a function knows another
// value for replaced by that one.
func replaced(value any, replace func(any) (any, bool)) any {
	if other, yes := replace(value); yes {
		return other
	}
	switch held := value.(type) {
	case map[string]any:
		if held == nil {
			return held
		}
		copied := make(map[string]any, len(held))
		for name, member := range held {
			copied[name] = replaced(member, replace)
		}
		return copied
	case []any:
		copied := make([]any, len(held))
		for i, element := range held {
			copied[i] = replaced(element, replace)
		}
		return copied
	default:
		return value
	}
}
