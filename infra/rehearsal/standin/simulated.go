package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// Simulated is a provider that behaves by its schema and, where that says too
// little, by what is known of the kinds of its resources.
type Simulated struct {
	Schema    *schema.Provider
	Cloud     *Cloud
	Kinds     map[string]Kind     // by token; a type without an entry is an ordinary one
	Functions map[string]Function // by token
	Ordinary  func(token string) Kind

	// References matches ids that have to be those of something that is there.
	References *regexp.Regexp

	// Settings reads what the provider was configured with.
	Settings func(config resource.PropertyMap) (Settings, error)
}

// Settings are what a session takes from its configuration.
type Settings struct {
	Region string
	Tags   resource.PropertyMap // put on everything that can have tags
	Facts  map[string]string    // what templates of values may name, such as account
}

// Kind is what the schema does not say about a type of resource.
type Kind struct {
	Naming  Names
	ID      string         // template of the id; empty takes the name
	Outputs map[string]any // by property: a template, or a value with templates within

	// Within are templates of what the provider adds to objects that it was
	// given, by path, such as vpcConfig.vpcId.
	Within map[string]string

	// Replace are inputs whose other value makes another resource; they are
	// added to what the schema's documentation says. In Keep are those for
	// which the documentation's words do not mean that.
	Replace []string
	Keep    []string

	Fixed       bool     // every input is such one
	DeleteFirst bool     // the old one has to go before there is a new one
	Volatile    []string // outputs that each update changes

	// Refine computes what no template can, and refuses what the schema allows.
	Refine func(s *Simulation, o *Object) error
}

// Names says how a type of resource gets its physical name.
type Names struct {
	Property string // empty when it has none, or always has to be given one
	Max      int    // characters
	Lower    bool   // no capital letters
}

// Function is what an invoke answers.
type Function func(s *Simulation, args resource.PropertyMap) (resource.PropertyMap, error)

// Name is the provider's name.
func (p *Simulated) Name() string { return p.Schema.Name }

// Version is the version of the SDK that the schema was read from.
func (p *Simulated) Version() string { return p.Schema.Version }

// CheckConfig refuses settings that the provider does not have.
func (p *Simulated) CheckConfig(config resource.PropertyMap) []schema.Failure {
	return p.Schema.Check(p.Schema.Config, DecodeConfig(p.Schema.Config, config))
}

// Configure gives a session.
func (p *Simulated) Configure(config resource.PropertyMap) (Session, error) {
	settings := Settings{}
	if p.Settings != nil {
		var err error
		if settings, err = p.Settings(DecodeConfig(p.Schema.Config, config)); err != nil {
			return nil, err
		}
	}
	return &Simulation{Simulated: p, Settings: settings}, nil
}

// DecodeConfig undoes the engine's way of passing settings: whatever is no
// string comes as JSON in a string.
func DecodeConfig(properties schema.Properties, config resource.PropertyMap) resource.PropertyMap {
	decoded := resource.PropertyMap{}
	for key, value := range config {
		decoded[key] = value
		if t := properties[string(key)]; t.Plain() == "string" || !value.IsString() {
			continue
		}
		var content any
		if json.Unmarshal([]byte(value.StringValue()), &content) == nil {
			decoded[key] = resource.NewPropertyValue(content)
		}
	}
	return decoded
}

// Simulation is a session of a [Simulated] provider.
type Simulation struct {
	*Simulated
	Settings
}

func (s *Simulation) kind(token string) Kind {
	if kind, ok := s.Kinds[token]; ok {
		return kind
	}
	if s.Ordinary != nil {
		return s.Ordinary(token)
	}
	return Kind{}
}

// Check names the resource, adds the provider's tags, and holds the inputs
// against the schema.
func (s *Simulation) Check(
	r Resource, inputs resource.PropertyMap, naming Naming,
) (resource.PropertyMap, []schema.Failure) {
	definition, ok := s.Schema.Resources[r.Type]
	if !ok {
		return inputs, []schema.Failure{{Path: "", Reason: "the schema of " + s.Schema.Name + " that this rehearsal has knows no " + r.Type}}
	}
	kind := s.kind(r.Type)
	failures := s.name(r, definition, kind, inputs, naming)
	s.tag(definition, inputs)
	return inputs, append(failures, s.Schema.Check(definition.Inputs, inputs)...)
}

// name fills the property of the physical name in, as the project's settings
// or the provider's own custom want it.
func (s *Simulation) name(
	r Resource, definition *schema.Resource, kind Kind, inputs resource.PropertyMap, naming Naming,
) []schema.Failure {
	names := kind.Naming
	if _, has := definition.Inputs[names.Property]; !has {
		return nil
	}
	key := resource.PropertyKey(names.Property)
	_, prefixed := inputs[key+"Prefix"]
	if value, given := inputs[key]; given && !value.IsNull() || prefixed {
		if value.IsString() {
			return names.check(value.StringValue())
		}
		return nil
	}
	if old, had := naming.Old[key]; had {
		inputs[key] = old
		return nil
	}
	var name string
	switch {
	case naming.Disabled:
		return []schema.Failure{{Path: names.Property, Reason: "automatic naming is off: a name has to be given"}}
	case naming.Proposed != "":
		name = naming.Proposed
	default:
		random, err := resource.NewUniqueHex(r.Name+"-", 7, names.Max)
		if len(naming.Seed) > 0 {
			random, err = resource.NewUniqueName(naming.Seed, r.Name+"-", 7, names.Max, nil)
		}
		if err != nil {
			return []schema.Failure{{Path: names.Property, Reason: err.Error()}}
		}
		name = random
	}
	if names.Lower && !naming.Enforced {
		name = strings.ToLower(name)
	}
	inputs[key] = resource.NewProperty(name)
	return names.check(name)
}

func (n Names) check(name string) []schema.Failure {
	var failures []schema.Failure
	if n.Max > 0 && len(name) > n.Max {
		failures = append(failures, schema.Failure{Path: n.Property, Reason: fmt.Sprintf(
			"expected length to be at most %d characters, got %d: %s", n.Max, len(name), name)})
	}
	if n.Lower && name != strings.ToLower(name) {
		failures = append(failures, schema.Failure{Path: n.Property, Reason: fmt.Sprintf(
			"only lower-case letters, digits and hyphens are allowed: %s", name)})
	}
	return failures
}

// tag merges the provider's tags into those of a resource, which win.
func (s *Simulation) tag(definition *schema.Resource, inputs resource.PropertyMap) {
	if definition.Inputs["tags"] != "map[string]string" || len(s.Tags) == 0 {
		return
	}
	merged := s.Tags.Copy()
	if own, ok := inputs["tags"]; ok {
		if !own.IsObject() {
			return
		}
		for key, value := range own.ObjectValue() {
			merged[key] = value
		}
	}
	inputs["tags"] = resource.NewProperty(merged)
}

// Replaces tells whether another value of an input makes another resource.
func (s *Simulation) Replaces(r Resource, path string) bool {
	input, kind := path[:strings.IndexAny(path+".", ".[")], s.kind(r.Type)
	if slices.Contains(kind.Keep, input) {
		return false
	}
	if kind.Fixed || kind.Naming.Property == input || slices.Contains(kind.Replace, input) {
		return true
	}
	definition, ok := s.Schema.Resources[r.Type]
	return ok && slices.Contains(definition.Replaces, input)
}

// DeletesFirst holds for what cannot be there twice: by its kind, or because
// the program has given it its name.
func (s *Simulation) DeletesFirst(r Resource, _ resource.PropertyMap) bool {
	return s.kind(r.Type).DeleteFirst
}

// Secrets are the outputs that the schema marks.
func (s *Simulation) Secrets(r Resource) []string {
	if definition, ok := s.Schema.Resources[r.Type]; ok {
		return definition.Secrets
	}
	return nil
}

// Plan gives what is known of a resource before it is made or changed: what it
// was given and, of an old one, what an update does not touch.
func (s *Simulation) Plan(r Resource, inputs resource.PropertyMap, old *Object) resource.PropertyMap {
	definition, ok := s.Schema.Resources[r.Type]
	if !ok {
		return resource.PropertyMap{}
	}
	outputs := resource.PropertyMap{}
	for name, t := range definition.Outputs {
		key := resource.PropertyKey(name)
		_, isInput := definition.Inputs[name]
		if value, given := inputs[key]; given {
			outputs[key] = value
			continue
		}
		if old != nil {
			if value, had := old.Outputs[key]; had && (!isInput || t.Required()) && !slices.Contains(s.kind(r.Type).Volatile, name) {
				outputs[key] = value
				continue
			}
		}
		if t.Required() || s.computes(r.Type, name) {
			outputs[key] = resource.MakeComputed(resource.NewProperty(""))
		}
	}
	if tags, ok := inputs["tags"]; ok {
		if _, has := definition.Outputs["tagsAll"]; has {
			outputs["tagsAll"] = tags
		}
	}
	for path := range s.kind(r.Type).Within {
		value := resource.MakeComputed(resource.NewProperty(""))
		if old != nil {
			if before, had := pathOf(path).Get(resource.NewProperty(old.Outputs)); had {
				value = before
			}
		}
		within(outputs, path, value)
	}
	return outputs
}

// within sets a value in an object of the outputs, if that was given. Outputs
// share what they were given with the inputs, which stay as they are.
func within(outputs resource.PropertyMap, path string, value resource.PropertyValue) {
	steps := pathOf(path)
	top, _ := steps[0].(string)
	if given, ok := outputs[resource.PropertyKey(top)]; ok && given.IsObject() {
		outputs[resource.PropertyKey(top)] = resource.NewProperty(given.ObjectValue().Copy())
		steps.Set(resource.NewProperty(outputs), value)
	}
}

func pathOf(path string) resource.PropertyPath {
	var steps resource.PropertyPath
	for step := range strings.SplitSeq(path, ".") {
		steps = append(steps, step)
	}
	return steps
}

func (s *Simulation) computes(token, property string) bool {
	_, computes := s.kind(token).Outputs[property]
	return computes
}

// Create makes an object.
func (s *Simulation) Create(_ context.Context, r Resource, inputs resource.PropertyMap) (*Object, error) {
	o := &Object{Resource: r, Inputs: inputs, Region: s.Region, Seed: s.Cloud.Seed(r.URN)}
	if err := s.fill(o, nil); err != nil {
		return nil, fmt.Errorf("creating %s: %w", r.Name, err)
	}
	if err := s.Cloud.Add(o); err != nil {
		return nil, fmt.Errorf("creating %s: %w", r.Name, err)
	}
	return o, nil
}

// Read gives the cloud's own copy.
func (s *Simulation) Read(_ context.Context, r Resource, id string) (*Object, error) {
	return s.Cloud.Get(r.Type, id), nil
}

// Update changes an object.
func (s *Simulation) Update(_ context.Context, r Resource, id string, inputs resource.PropertyMap) (*Object, error) {
	old := s.Cloud.Get(r.Type, id)
	if old == nil {
		return nil, fmt.Errorf("updating %s: NotFound: there is no %s %q", r.Name, r.Type, id)
	}
	o := &Object{Resource: r, ID: id, Inputs: inputs, Region: old.Region, Seed: old.Seed}
	if err := s.fill(o, old); err != nil {
		return nil, fmt.Errorf("updating %s: %w", r.Name, err)
	}
	return o, s.Cloud.Replace(o)
}

// Delete takes an object away.
func (s *Simulation) Delete(_ context.Context, r Resource, id string) error {
	s.Cloud.Remove(r.Type, id)
	return nil
}

// fill gives an object its id and every output that the provider computes.
func (s *Simulation) fill(o, old *Object) error {
	definition, ok := s.Schema.Resources[o.Type]
	if !ok {
		return fmt.Errorf("no schema of %s", o.Type)
	}
	kind := s.kind(o.Type)
	o.Outputs = resource.PropertyMap{}
	for key, value := range o.Inputs {
		if _, known := definition.Outputs[string(key)]; known {
			o.Outputs[key] = value
		}
	}
	values := templates{simulation: s, object: o, naming: kind.Naming}
	values.prefixed(definition)
	if o.ID == "" {
		o.ID = values.id(kind)
	}
	if tags, ok := o.Inputs["tags"]; ok {
		if _, has := definition.Outputs["tagsAll"]; has {
			o.Outputs["tagsAll"] = tags
		}
	}
	for _, name := range values.order(kind.Outputs) {
		key := resource.PropertyKey(name)
		if _, given := o.Outputs[key]; given {
			continue
		}
		if _, known := definition.Outputs[name]; !known {
			return fmt.Errorf("%s has no output %q to compute", o.Type, name)
		}
		o.Outputs[key] = values.expand(kind.Outputs[name])
	}
	for name, t := range definition.Outputs {
		key := resource.PropertyKey(name)
		if _, there := o.Outputs[key]; there || !t.Required() {
			continue
		}
		if old != nil {
			if value, had := old.Outputs[key]; had {
				o.Outputs[key] = value
				continue
			}
		}
		o.Outputs[key] = values.invent(name, t.Plain())
	}
	for path, template := range kind.Within {
		within(o.Outputs, path, resource.NewProperty(values.text(template)))
	}
	if kind.Refine != nil {
		if err := kind.Refine(s, o); err != nil {
			return err
		}
	}
	return s.references(o)
}

// Invoke answers a function after holding its arguments against the schema.
func (s *Simulation) Invoke(
	_ context.Context, token string, args resource.PropertyMap,
) (resource.PropertyMap, []schema.Failure, error) {
	definition, ok := s.Schema.Functions[token]
	if !ok {
		return nil, nil, fmt.Errorf("the schema of %s that this rehearsal has knows no function %s", s.Schema.Name, token)
	}
	if failures := s.Schema.Check(definition.Inputs, args); len(failures) > 0 {
		return nil, failures, nil
	}
	function, ok := s.Functions[token]
	if !ok {
		return nil, nil, fmt.Errorf("this rehearsal cannot answer %s: nothing in a stand-in knows what an account would say", token)
	}
	result, err := function(s, args)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", token, err)
	}
	for name := range definition.Inputs { // results repeat what was asked
		key := resource.PropertyKey(name)
		if _, has := definition.Outputs[name]; !has {
			continue
		}
		if _, set := result[key]; !set {
			if value, given := args[key]; given {
				result[key] = value
			}
		}
	}
	values := templates{simulation: s, object: &Object{Seed: token, Outputs: result}}
	for name, t := range definition.Outputs {
		if _, set := result[resource.PropertyKey(name)]; !set && t.Required() {
			result[resource.PropertyKey(name)] = values.invent(name, t.Plain())
		}
	}
	if failures := s.Schema.Check(definition.Outputs, result); len(failures) > 0 {
		return nil, nil, fmt.Errorf("%s: the stand-in's answer is wrong: %v", token, failures)
	}
	return result, nil, nil
}
