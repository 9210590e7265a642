package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"

	"github.com/trivetkv/trivet/infra/stack"
)

const root = "../../.."

func TestDerivedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	settings, err := readSettings(root)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := schemaOf(settings)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{schemaFile: string(schema), pageFile: pageOf(settings)} {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the types say; write it anew: go run ./infra/stack/schema", name)
		}
	}
}

// A limit with a wrong name would limit nothing.
func TestEveryLimitIsOfASetting(t *testing.T) {
	t.Parallel()
	settings, err := readSettings(root)
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	var visit func([]setting)
	visit = func(settings []setting) {
		for _, s := range settings {
			named[s.Path] = true
			visit(s.Settings)
			if s.Element != nil {
				visit([]setting{*s.Element})
			}
		}
	}
	visit(settings)
	for _, name := range slices.Sorted(maps.Keys(stack.Limits)) {
		if !named[name] {
			t.Errorf("there is a limit of %s, and no such setting", name)
		}
	}
}

// validate holds the text of a stack file against the schema.
func validate(t *testing.T, text string) error {
	t.Helper()
	schema, err := jsonschema.Compile(filepath.Join(root, schemaFile))
	if err != nil {
		t.Fatal(err)
	}
	var file any
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	// As an editor sees it: through JSON, with texts for keys.
	document, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestStackFilesFitTheSchema(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "stacks/Pulumi.*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stack files: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, string(text)); err != nil {
			t.Errorf("%s: %#v", name, err)
		}
		if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=stack.schema.json\n") {
			t.Errorf("%s does not begin with the line by which editors find the schema", name)
		}
	}
}

func TestSchemaRefusesWhatTheProgramRefuses(t *testing.T) {
	t.Parallel()
	const base = "config:\n  trivet:tier: prod\n  trivet:owner: platform\n  trivet:ownerEmail: platform@example.com\n  trivet:costCentre: \"4711\"\n"
	if err := validate(t, base+"  aws:profile: production\n  trivet:broker: none\n"); err != nil {
		t.Errorf("what is right is refused: %#v", err)
	}
	for name, line := range map[string]string{
		"unknown setting":        "  trivet:networkk: {}\n",
		"unknown setting within": "  trivet:network: {zone: 3}\n",
		"unknown choice":         "  trivet:autoscaling: keda\n",
		"unknown broker":         "  trivet:broker: kafka\n",
		"too many zones":         "  trivet:network: {zones: 4}\n",
		"number for text":        "  trivet:database: {version: 16.8}\n",
		"text for a number":      "  trivet:database: {readers: two}\n",
		"no day":                 "  trivet:waivers: [{rule: a, resource: b, reason: it is so indeed, expires: soon}]\n",
		"unknown top":            "configuration: {}\n",
	} {
		if validate(t, base+line) == nil {
			t.Errorf("%s is accepted: %s", name, line)
		}
	}
	if validate(t, "config:\n  trivet:tier: prod\n") == nil {
		t.Error("a file without an owner is accepted")
	}
}
