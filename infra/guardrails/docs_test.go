package guardrails

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the rules into docs/guardrails.md")

const (
	page  = "../../docs/guardrails.md"
	begin = "<!-- The rules: go test ./infra/guardrails -run Documented -update -->\n"
)

func TestRulesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, listed, found := strings.Cut(string(text), begin)
	if !found {
		t.Fatalf("%s has no line %q", page, begin)
	}
	want := documentation()
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if listed != want {
		t.Errorf("%s does not list the rules as they are; the line before the list says how to write it", page)
	}
}

// documentation is all rules, a table for each part of the platform.
func documentation() string {
	var text strings.Builder
	for _, tier := range Tiers() {
		fmt.Fprintf(&text, "\n## %s\n\n| rule | why | fix | ids |\n|---|---|---|---|\n", tier.Name)
		for _, rule := range tier.Rules {
			name := "`" + rule.Name + "`"
			if rule.Production {
				name += " (production)"
			}
			fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", name, cell(rule.Reason), cell(rule.Fix), cell(strings.Join(rule.IDs, ", ")))
		}
	}
	return text.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
