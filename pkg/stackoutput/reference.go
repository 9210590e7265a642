package stackoutput

import (
	"fmt"
	"reflect"
	"strings"
)

// Layer is what a stack makes, as in its file.
type Layer string

// The layers that tell an output.
const (
	LayerCloud     Layer = "cloud"
	LayerWorkloads Layer = "workloads"
	LayerBoth      Layer = "both"
)

// An Output is a field of Outputs.
type Output struct {
	Name   string
	Doc    string
	Layer  Layer // a stack of layer all makes both
	Secret bool
}

// Declared gives all outputs, in their order.
func Declared() []Output {
	fields := reflect.TypeFor[Outputs]()
	outputs := make([]Output, fields.NumField())
	for i := range outputs {
		tag := fields.Field(i).Tag
		outputs[i] = Output{Name: tag.Get("json"), Doc: tag.Get("doc"), Layer: LayerBoth, Secret: tag.Get("secret") != ""}
		if layer := tag.Get("layer"); layer != "" {
			outputs[i].Layer = Layer(layer)
		}
	}
	return outputs
}

// Reference gives the page of every output, docs/outputs.md.
func Reference() string {
	var page strings.Builder
	page.WriteString(`# Outputs of a stack

What ` + "`pulumi up`" + ` prints at its end, and ` + "`trivet status`" + ` shows in a form for people:

` + "```sh" + `
trivet status -s prod-aws
` + "```" + `

Programs read ` + "`pulumi stack output --json`" + `. The outputs are a contract with a version: names and meanings stay as they are within
one, and a release that has to change them counts it up. Outputs marked secret are encrypted in the stack's state and shown with
` + "`--show-secrets`" + ` alone; ` + "`trivet status`" + ` never asks for them.

A stack that makes one layer tells what is of that layer. This page is written from the declarations in ` + "`pkg/stackoutput`" + ` by
` + "`go test ./pkg/stackoutput -run TestReference -update`" + `.

| output | layer | meaning |
|---|---|---|
`)
	for _, o := range Declared() {
		secret := ""
		if o.Secret {
			secret = ", secret"
		}
		fmt.Fprintf(&page, "| `%s` | %s%s | %s |\n", o.Name, o.Layer, secret, strings.ReplaceAll(o.Doc, `"`, "`"))
	}
	return page.String()
}
