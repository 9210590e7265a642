package guardrails

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/stack"
)

// setting is a command that sets one, within an object or not.
var setting = regexp.MustCompile(`pulumi config set (?:--path )?'?trivet:([a-zA-Z.]+)(\[0\])?'? ([^;]+)`)

func TestFixesSetSettingsThatThereAre(t *testing.T) {
	t.Parallel()
	commands := 0
	for _, rule := range Rules() {
		for _, match := range setting.FindAllStringSubmatch(rule.Fix, -1) {
			commands++
			section, path, _ := strings.Cut(match[1], ".")
			var value any = match[3]
			if json.Unmarshal([]byte(match[3]), &value) == nil && section == "cluster" && path == "version" {
				value = match[3] // a version looks like a number
			}
			if match[2] != "" {
				value = []any{value}
			}
			for _, name := range reversed(strings.Split(path, ".")) {
				if name != "" {
					value = map[string]any{name: value}
				}
			}
			text, isText := value.(string)
			if !isText {
				document, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				text = string(document)
			}
			_, err := stack.Parse(map[string]string{"tier": "prod", section: text}, "prod")
			if err == nil {
				continue
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if strings.Contains(line, "trivet:"+match[1]+":") && !strings.Contains(match[1], "image") {
					t.Errorf("%s: %s: %s", rule.Name, match[0], line)
				}
			}
		}
	}
	if commands < 25 {
		t.Errorf("%d fixes are commands", commands)
	}
}

func reversed(names []string) []string {
	turned := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		turned = append(turned, names[i])
	}
	return turned
}
