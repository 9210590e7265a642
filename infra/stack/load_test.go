package stack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/stack"
)

type nothing struct{}

func (nothing) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

func (nothing) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

// load runs a program with a configuration.
func load(config map[string]string) (stack.Config, error) {
	var cfg stack.Config
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		var err error
		cfg, err = stack.Load(ctx)
		return err
	}, pulumi.WithMocks("trivet", "test-aws", nothing{}), func(info *pulumi.RunInfo) { info.Config = config })
	return cfg, err
}

// inNamespace gives settings as the engine has them.
func inNamespace(settings map[string]string) map[string]string {
	config := map[string]string{"aws:profile": "production"}
	for name, value := range settings {
		config["trivet:"+name] = value
	}
	return config
}

func TestAProgramLoadsItsStack(t *testing.T) {
	t.Parallel()
	cfg, err := load(inNamespace(production()))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Spec.Stack != "test-aws" || cfg.Spec.Project != "trivet" || cfg.Spec.Domain != "kv.example.com" {
		t.Errorf("%+v", cfg.Spec)
	}
}

// The CLI hands a program of its own the configuration in a variable, where
// names are found that the SDK does not know to ask for.
func TestUnknownSettingsOfAProgramAreRefused(t *testing.T) {
	config := inNamespace(with(production(), "databse", `{"readers":3}`))
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(pulumi.EnvConfig, string(text))
	if _, err := load(config); err == nil || !strings.Contains(err.Error(), "trivet:databse: there is no such setting; did you mean database?") {
		t.Errorf("got %v", err)
	}
	t.Setenv(pulumi.EnvConfig, "no JSON")
	if _, err := load(config); err == nil || !strings.Contains(err.Error(), "read PULUMI_CONFIG") {
		t.Errorf("got %v", err)
	}
}
