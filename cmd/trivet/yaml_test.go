package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
)

// FuzzYAMLSaysWhatJSONSays puts texts where YAML could take them for
// something else.
func FuzzYAMLSaysWhatJSONSays(f *testing.F) {
	for _, text := range []string{
		"", "plain", "yes", "null", "~", "1", "1.5", "0x10", "- a", "a: b", "a #b", "#", "two\nlines\n", " spaces ",
		"\t", "'", `"`, `\`, "{}", "[]", "*a", "&a", "!tag", "%", "@", "`", "|", ">", "2024-01-02", "ümlaut", "\x1b[31m", "😀", "---", "...", ":", "?",
	} {
		f.Add(text)
	}
	for c := range 256 {
		f.Add(string(rune(c)))
		f.Add("a" + string(rune(c)))
		f.Add("a " + string(rune(c)) + " b")
		f.Add(string([]byte{byte(c)}))
	}
	f.Fuzz(func(t *testing.T, text string) {
		document, err := json.Marshal(map[string]any{"k": text, "list": []string{text}, "n": 1795377021223981})
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(document, &want); err != nil {
			t.Fatal(err)
		}
		text = want.(map[string]any)["k"].(string) // with what is not Unicode replaced
		printed, err := toYAML(document, false)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			K    string
			List []string
			N    int64
		}
		if err := yaml.Unmarshal(printed, &got); err != nil {
			t.Fatalf("%q: %v\n%s", text, err, printed)
		}
		if got.K != text || !reflect.DeepEqual(got.List, []string{text}) || got.N != 1795377021223981 {
			t.Errorf("%q became %+v:\n%s", text, got, printed)
		}
	})
}

func TestElementsMakeOneSequence(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	output := formatYAML
	for _, shape := range []any{map[string]any{"b": 1, "a": []int{}}, map[string]any{"b": 2}} {
		if err := output.element(&out, shape); err != nil {
			t.Fatal(err)
		}
	}
	if want := "- a: []\n  b: 1\n- b: 2\n"; out.String() != want {
		t.Errorf("%s", &out)
	}
}
