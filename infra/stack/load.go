package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// namespace is that of the settings in a stack file.
const namespace = "trivet:"

// Load reads and validates the configuration of the stack that is deployed.
func Load(ctx *pulumi.Context) (Config, error) {
	values, err := given(ctx)
	if err != nil {
		return Config{}, err
	}
	cfg, err := Parse(values, ctx.Stack())
	cfg.Spec.Project = ctx.Project()
	return cfg, err
}

// given gives the settings of the stack file without their namespace. The
// SDK tells the value of a name, not which names there are; those that do not
// exist are found in the variable by which the CLI hands the configuration to
// a program of its own. Whoever runs the program in another way calls [Parse]
// with all values first.
func given(ctx *pulumi.Context) (map[string]string, error) {
	values := make(map[string]string)
	if text := os.Getenv(pulumi.EnvConfig); text != "" {
		var all map[string]string
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, fmt.Errorf("read %s: %w", pulumi.EnvConfig, err)
		}
		for key, value := range all {
			if name, ours := strings.CutPrefix(key, namespace); ours {
				values[name] = value
			}
		}
	}
	for _, name := range names() {
		if value, set := ctx.GetConfig(namespace + name); set {
			values[name] = value
		}
	}
	return values, nil
}
