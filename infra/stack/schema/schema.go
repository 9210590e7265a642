package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// A node is a JSON schema, of the draft that editors know best.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        string           `json:"type,omitempty"`
	Enum        []any            `json:"enum,omitempty"`
	Minimum     *int             `json:"minimum,omitempty"`
	Maximum     *int             `json:"maximum,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Properties  *properties      `json:"properties,omitempty"`
	Patterns    map[string]*node `json:"patternProperties,omitempty"`
	Additional  any              `json:"additionalProperties,omitempty"` // false or a node
	Required    []string         `json:"required,omitempty"`
	Items       *node            `json:"items,omitempty"`
	AnyOf       []*node          `json:"anyOf,omitempty"`
}

// properties keep the order of the settings.
type properties struct {
	names []string
	nodes map[string]*node
}

func (p *properties) add(name string, n *node) {
	if p.nodes == nil {
		p.nodes = make(map[string]*node)
	}
	p.names = append(p.names, name)
	p.nodes[name] = n
}

// MarshalJSON writes an object in the order of the settings.
func (p *properties) MarshalJSON() ([]byte, error) {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, name := range p.names {
		if i > 0 {
			text.WriteByte(',')
		}
		value, err := json.Marshal(p.nodes[name])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "%q:%s", name, value)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// needed are the settings that no tier has a default for.
var needed = []string{"trivet:tier", "trivet:owner", "trivet:ownerEmail", "trivet:costCentre"}

// schemaOf gives the schema of a stack file.
func schemaOf(settings []setting) ([]byte, error) {
	config := &properties{}
	for _, s := range settings {
		n := s.node()
		if s.Name == "broker" {
			n = &node{Description: n.Description, AnyOf: []*node{n.Properties.nodes["kind"], n}}
		}
		config.add("trivet:"+s.Name, n)
	}
	file := &properties{}
	file.add("config", &node{
		Description: "what the stack shall be",
		Type:        "object",
		Properties:  config,
		// Settings of Pulumi and of providers are none of ours.
		Patterns:   map[string]*node{"^(aws|kubernetes|pulumi):": {}},
		Additional: false,
		Required:   needed,
	})
	for _, name := range []string{"secretsprovider", "encryptedkey", "encryptionsalt"} {
		file.add(name, &node{Type: "string", Description: "written by Pulumi"})
	}
	file.add("environment", &node{Description: "Pulumi environments that the stack imports"})
	text, err := json.MarshalIndent(&node{
		Schema: "http://json-schema.org/draft-07/schema#", Title: "A stack of Trivet",
		Type: "object", Properties: file, Additional: false,
	}, "", "  ")
	return append(text, '\n'), err
}

// node gives the schema of a setting.
func (s setting) node() *node {
	n := &node{Description: s.Comment}
	switch s.Type.Kind() {
	case reflect.Struct:
		n.Type, n.Additional, n.Properties = "object", false, &properties{}
		for _, within := range s.Settings {
			n.Properties.add(within.Name, within.node())
		}
	case reflect.Slice:
		n.Type, n.Items = "array", s.Element.node()
	case reflect.Map:
		n.Type, n.Additional = "object", s.Element.node()
	case reflect.Bool:
		n.Type = "boolean"
	case reflect.Int:
		n.Type = "integer"
		s.limitNumber(n)
	case reflect.String:
		n.Type = "string"
		s.limitText(n)
	}
	return n
}

func (s setting) limitNumber(n *node) {
	if s.Limit.Min != 0 || s.Limit.Max != 0 {
		n.Minimum, n.Maximum = &s.Limit.Min, &s.Limit.Max
	}
	for _, number := range s.Limit.Numbers {
		n.Enum = append(n.Enum, number)
	}
}

func (s setting) limitText(n *node) {
	for _, choice := range s.Limit.Choices {
		n.Enum = append(n.Enum, choice)
	}
	if s.Limit.Pattern == nil {
		return
	}
	n.Description = joinSentences(n.Description, s.Limit.Want)
	n.Pattern = s.Limit.Pattern.String()
	if !s.Limit.Required {
		n.Pattern = "^$|" + n.Pattern
	}
}

func joinSentences(comment, want string) string {
	if comment == "" {
		return want
	}
	return comment + "; " + want
}
