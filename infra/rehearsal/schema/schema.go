// Package schema says which properties the resources and functions of a
// provider have, and holds what a program sends against that, as the provider
// itself would. It is written by the program in generate from the source of
// the providers' Go SDKs, so that it knows nothing of what our own program
// happens to send.
package schema

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

//go:generate go run ./generate

// Provider is the schema of one provider at one version.
type Provider struct {
	Name    string `json:"name"`
	Version string `json:"version"`

	// Config holds the provider's own settings.
	Config Properties `json:"config"`

	// Resources and Functions are by token, such as aws:ec2/subnet:Subnet.
	Resources map[string]*Resource `json:"resources"`
	Functions map[string]*Function `json:"functions"`

	// Types are the objects that properties consist of, by package and name,
	// such as ec2.FlowLogDestinationOptions.
	Types map[string]Properties `json:"types"`
}

// Resource is one type of resource.
type Resource struct {
	Inputs  Properties `json:"inputs"`
	Outputs Properties `json:"outputs"`

	// Secrets are the outputs that are secret whatever they are made from.
	Secrets []string `json:"secrets,omitempty"`

	// Replaces are the inputs whose documentation says that another value
	// makes another resource.
	Replaces []string `json:"replaces,omitempty"`
}

// Function is a function that reads something from a provider.
type Function struct {
	Inputs  Properties `json:"inputs"`
	Outputs Properties `json:"outputs"`
}

// Properties are types by property name.
type Properties map[string]Type

// Type is a type as Go would write it: string, bool, int, number, any, asset,
// []T, map[string]T, or the name of an object in [Provider.Types]. A leading
// exclamation mark says that the property is always there: a required input,
// or an output that the provider computes when it was not given.
type Type string

// Required tells whether the property is always there.
func (t Type) Required() bool { return strings.HasPrefix(string(t), "!") }

// Plain is the type without the mark of being required.
func (t Type) Plain() Type { return Type(strings.TrimPrefix(string(t), "!")) }

// element gives the type of what a list or map of type t holds.
func (t Type) element(of string) (Type, bool) {
	rest, ok := strings.CutPrefix(string(t.Plain()), of)
	return Type(rest), ok
}

//go:embed *.json.gz
var files embed.FS

// Load gives the schema of the named provider: aws, random or tls.
func Load(name string) (*Provider, error) {
	compressed, err := files.ReadFile(name + ".json.gz")
	if err != nil {
		return nil, fmt.Errorf("no schema of provider %q: %w", name, err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("schema of provider %q: %w", name, err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("schema of provider %q: %w", name, err)
	}
	provider := new(Provider)
	if err := json.Unmarshal(text, provider); err != nil {
		return nil, fmt.Errorf("schema of provider %q: %w", name, err)
	}
	return provider, nil
}

// Innermost gives the type within all lists and maps.
func Innermost(t Type) string {
	t = t.Plain()
	for {
		if element, ok := t.element("[]"); ok {
			t = element
		} else if element, ok := t.element("map[string]"); ok {
			t = element
		} else {
			return string(t)
		}
	}
}
