package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
)

// line is a resource in a graph file: one line of JSON each, with a secret
// written as {"secret":true} and an unknown value as {"unknown":true}.
type line struct {
	URN     string         `json:"urn"`
	Type    string         `json:"type"`
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs,omitempty"`
	Options options        `json:"options"`
}

type options struct {
	Parent               string              `json:"parent,omitempty"`
	Protect              bool                `json:"protect,omitempty"`
	RetainOnDelete       bool                `json:"retainOnDelete,omitempty"`
	PropertyDependencies map[string][]string `json:"propertyDependencies,omitempty"`
}

// ReadLines reads a graph file.
func ReadLines(from io.Reader) (Graph, error) {
	var g Graph
	for decoder := json.NewDecoder(from); ; {
		var l line
		switch err := decoder.Decode(&l); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, fmt.Errorf("resource %d of the graph file: %w", len(g)+1, err)
		}
		name, err := nameOf(l.URN)
		if err != nil {
			return nil, fmt.Errorf("resource %d of the graph file: %w", len(g)+1, err)
		}
		g = append(g, Resource{
			URN: l.URN, Type: l.Type, Name: name, Parent: l.Options.Parent,
			Inputs: fromLine(l.Inputs), Outputs: fromLine(l.Outputs), References: l.Options.PropertyDependencies,
			Protect: l.Options.Protect, RetainOnDelete: l.Options.RetainOnDelete,
		})
	}
}

// WriteLines writes a graph file.
func WriteLines(to io.Writer, g Graph) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	for _, r := range g {
		if err := encoder.Encode(line{
			URN: r.URN, Type: r.Type, Inputs: toLine(r.Inputs), Outputs: toLine(r.Outputs),
			Options: options{
				Parent: r.Parent, Protect: r.Protect, RetainOnDelete: r.RetainOnDelete,
				PropertyDependencies: r.References,
			},
		}); err != nil {
			return fmt.Errorf("write the graph file: %w", err)
		}
	}
	return nil
}

func fromLine(properties map[string]any) map[string]any {
	read, _ := replaced(properties, func(value any) (any, bool) {
		object, _ := value.(map[string]any)
		switch {
		case len(object) != 1:
			return nil, false
		case object["secret"] == true:
			return Secret{}, true
		case object["unknown"] == true:
			return Unknown{}, true
		default:
			return nil, false
		}
	}).(map[string]any)
	return read
}

func toLine(properties map[string]any) map[string]any {
	written, _ := replaced(properties, func(value any) (any, bool) {
		switch value.(type) {
		case Secret:
			return map[string]any{"secret": true}, true
		case Unknown:
			return map[string]any{"unknown": true}, true
		default:
			return nil, false
		}
	}).(map[string]any)
	return written
}

// nameOf gives the logical name at a URN's end.
func nameOf(text string) (string, error) {
	parsed, err := urn.Parse(text)
	if err != nil {
		return "", fmt.Errorf("URN %q: %w", text, err)
	}
	return parsed.Name(), nil
}
