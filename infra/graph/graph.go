// Package graph is what a deployment consists of, as data: every resource with
// its properties as they go to the provider, its options, and what it was
// computed from. Guardrails and estimates of cost judge a [Graph] and nothing
// else, so that they say the same of a program that is running, of a stack's
// exported state, and of a file.
package graph

import (
	"slices"
	"strings"
)

// A Resource is one registration.
type Resource struct {
	URN    string
	Type   string // Pulumi's token, such as aws:ec2/vpc:Vpc
	Name   string // logical name
	Parent string // URN of the component that it belongs to; empty for the stack

	Inputs  map[string]any // values as described at Value
	Outputs map[string]any // nil before it has been made

	// References are the resources that an input was computed from, by the
	// input's name at the top level. They are known in a preview too, when
	// the values are not.
	References map[string][]string

	Protect        bool // the engine refuses to delete it
	RetainOnDelete bool // it stays in the account when it leaves the stack
}

// Input is the input at a path, such as Input("vpcConfig", "subnetIds").
func (r Resource) Input(path ...string) Value { return Value{r.Inputs}.Field(path...) }

// Property is the output at a path or, where there is none, the input: what
// the provider says of the resource, or else what it was asked for.
func (r Resource) Property(path ...string) Value {
	if out := (Value{r.Outputs}).Field(path...); out.Set() {
		return out
	}
	return r.Input(path...)
}

// RefersTo tells whether an input is, or was computed from, an output of the
// other resource.
func (r Resource) RefersTo(other Resource, input string) bool {
	return slices.Contains(r.References[input], other.URN)
}

// Component tells whether the resource only groups others.
func (r Resource) Component() bool {
	return strings.HasPrefix(r.Type, "trivet:") || r.Type == "pulumi:pulumi:Stack"
}

// A Graph is every resource of a stack, in the order of their registration.
type Graph []Resource

// Of gives the resources of any of the types.
func (g Graph) Of(types ...string) []Resource {
	var found []Resource
	for _, r := range g {
		if slices.Contains(types, r.Type) {
			found = append(found, r)
		}
	}
	return found
}

// Referring gives the resources of a type whose input was computed from the
// other resource.
func (g Graph) Referring(kind, input string, to Resource) []Resource {
	var found []Resource
	for _, r := range g.Of(kind) {
		if r.RefersTo(to, input) {
			found = append(found, r)
		}
	}
	return found
}

// Tier is the name of the component that a resource is part of, such as
// Network for trivet:aws:Network, and empty when it is part of none.
func (g Graph) Tier(r Resource) string {
	parents := make(map[string]Resource, len(g))
	for _, candidate := range g {
		parents[candidate.URN] = candidate
	}
	tier := ""
	for range g { // no chain of parents is longer than the graph
		parent, found := parents[r.Parent]
		if !found {
			return tier
		}
		if strings.HasPrefix(parent.Type, "trivet:") {
			tier = parent.Type[strings.LastIndex(parent.Type, ":")+1:]
		}
		r = parent
	}
	return tier
}
