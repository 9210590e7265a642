package stack

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/trivetkv/trivet/infra/platform"
)

// Parse gives the configuration that the settings of a stack file make, on top
// of the defaults of their tier. Values are as Pulumi hands them to a program:
// text as it is, everything else as JSON. The error is an [*Error] with
// everything that is wrong.
func Parse(values map[string]string, stack string) (Config, error) {
	var wrong problems
	document := make(map[string]any, len(values))
	for name, text := range values {
		document[name] = value(text)
	}
	// A stack file may say just which broker.
	if kind, scalar := document["broker"].(string); scalar {
		document["broker"] = map[string]any{"kind": kind}
	}

	cfg := Defaults(platform.Tier(values["tier"]), Profile(values["profile"]))
	cfg.Spec.Stack = stack
	decode(document, &cfg, &wrong)
	cfg.Spec.Images = images(cfg)
	validate(cfg, &wrong)
	return cfg, wrong.failure(stack)
}

// value gives an object or a list as what its JSON says, anything else as the
// text that it is: which of them a setting may be is not known here.
func value(text string) any {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return text
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return text
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return text
	}
	return v
}
