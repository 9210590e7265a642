package graph

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

const export = `{"version":3,"deployment":{"resources":[
 {"urn":"urn:pulumi:prod::trivet::pulumi:pulumi:Stack::trivet-prod","type":"pulumi:pulumi:Stack"},
 {"urn":"urn:pulumi:prod::trivet::trivet:aws:Network::network","type":"trivet:aws:Network","parent":"urn:pulumi:prod::trivet::pulumi:pulumi:Stack::trivet-prod"},
 {"urn":"urn:pulumi:prod::trivet::trivet:aws:Network$aws:ec2/vpc:Vpc::vpc","type":"aws:ec2/vpc:Vpc","parent":"urn:pulumi:prod::trivet::trivet:aws:Network::network",
  "inputs":{"cidrBlock":"10.0.0.0/16","password":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"x"},"later":"04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
  "outputs":{"id":"vpc-1"},"protect":true,"retainOnDelete":true},
 {"urn":"urn:pulumi:prod::trivet::trivet:aws:Network$aws:ec2/subnet:Subnet::subnet","type":"aws:ec2/subnet:Subnet","parent":"urn:pulumi:prod::trivet::trivet:aws:Network::network",
  "inputs":{"vpcId":"vpc-1","rules":[{"port":443}]},
  "propertyDependencies":{"vpcId":["urn:pulumi:prod::trivet::trivet:aws:Network$aws:ec2/vpc:Vpc::vpc"]}},
 {"urn":"urn:pulumi:prod::trivet::aws:ec2/vpc:Vpc::old","type":"aws:ec2/vpc:Vpc","delete":true}
]}}`

func TestADeploymentIsRead(t *testing.T) {
	t.Parallel()
	g, err := ReadDeployment(strings.NewReader(export))
	if err != nil {
		t.Fatal(err)
	}
	if len(g) != 4 {
		t.Fatalf("%d resources; what is still to be deleted is none", len(g))
	}
	vpc, subnet := g[2], g[3]
	want := map[string]any{"cidrBlock": "10.0.0.0/16", "password": Secret{}, "later": Unknown{}}
	if !reflect.DeepEqual(vpc.Inputs, want) || vpc.Name != "vpc" || !vpc.Protect || !vpc.RetainOnDelete {
		t.Errorf("got %+v", vpc)
	}
	if !subnet.RefersTo(vpc, "vpcId") || len(g.Referring("aws:ec2/subnet:Subnet", "vpcId", vpc)) != 1 {
		t.Errorf("the subnet refers to %v", subnet.References)
	}
	if tier := g.Tier(subnet); tier != "Network" {
		t.Errorf("the subnet's tier is %q", tier)
	}
	if tier := g.Tier(g[1]); tier != "" {
		t.Errorf("the component's tier is %q", tier)
	}
	if vpc.Property("id").Text() != "vpc-1" || vpc.Property("cidrBlock").Text() != "10.0.0.0/16" {
		t.Error("a property is an output, or else an input")
	}
}

func TestAGraphFileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	g, err := ReadDeployment(strings.NewReader(export))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := WriteLines(&file, g); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(file.String(), "\n"); lines != len(g) {
		t.Errorf("%d lines for %d resources", lines, len(g))
	}
	if !strings.Contains(file.String(), `"password":{"secret":true}`) {
		t.Errorf("the secret is not written as one:\n%s", file.String())
	}
	read, err := ReadLines(&file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(read, g) {
		t.Errorf("read   %+v\nwanted %+v", read, g)
	}
}

func TestFilesThatAreNoGraphs(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no JSON": "resources", "no URN": `{"urn":"vpc","type":"aws:ec2/vpc:Vpc"}`} {
		if _, err := ReadLines(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "resource 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"no JSON": "{", "no URN": `{"deployment":{"resources":[{"urn":"vpc"}]}}`} {
		if _, err := ReadDeployment(strings.NewReader(text)); err == nil {
			t.Errorf("%s is taken for a deployment", name)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	v := Of(map[string]any{
		"on": true, "count": 3.0, "text": "7", "list": []any{"a", map[string]any{"b": "c"}}, "empty": []any{},
		"later": Unknown{}, "policy": `{"Version":"2012"}`,
	})
	for name, holds := range map[string]bool{
		"a member equals":                      v.Field("on").Is(true),
		"a missing member equals nothing":      !v.Field("off").Is(false),
		"what is hidden may equal anything":    v.Field("later").Is("x") && v.Field("later").AtLeast(9),
		"within what is hidden all is":         v.Field("later", "deep", "0").Hidden(),
		"an element has an index":              v.Field("list", "1", "b").Text() == "c",
		"an index may be past the end":         !v.Field("list", "2").Set() && !v.Field("list", "-1").Set() && !v.Field("list", "x").Set(),
		"numbers may be text":                  v.Field("text").AtLeast(7) && !v.Field("text").AtLeast(8),
		"nothing is no number":                 !v.Field("none").AtLeast(0),
		"empty is not set":                     !v.Field("empty").Set() && !v.Field("none").Set(),
		"what is hidden is set":                v.Field("later").Set(),
		"a single value is a list":             len(v.Field("text").List()) == 1,
		"a document is decoded":                v.Field("policy").Decoded().Field("Version").Is("2012"),
		"text that is no document has nothing": !v.Field("text", "x").Decoded().Set(),
	} {
		if !holds {
			t.Error(name)
		}
	}
}
