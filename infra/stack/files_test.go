package stack_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

const root = "../.."

// readStack gives the settings of a stack file as Pulumi hands them to a
// program.
func readStack(t *testing.T, name string) map[string]string {
	t.Helper()
	project, err := workspace.LoadProject(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := workspace.LoadProjectStack(cmdutil.Diag(), project, filepath.Join(root, project.StackConfigDir, "Pulumi."+name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	for key, value := range file.Config {
		text, err := value.Value(config.NopDecrypter)
		if err != nil {
			t.Fatal(err)
		}
		if key.Namespace() == string(project.Name) {
			settings[key.Name()] = text
		}
	}
	return settings
}

func TestStackFilesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "stacks/Pulumi.*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stack files: %v", err)
	}
	tiers := map[string]platform.Tier{
		"dev-aws": platform.Dev, "staging-aws": platform.Staging, "prod-aws": platform.Prod, "lean-aws": platform.Prod, "reference-aws": platform.Staging,
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := stack.Parse(readStack(t, name), name)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Spec.Tier != tiers[name] {
				t.Errorf("tier %q, want %q", cfg.Spec.Tier, tiers[name])
			}
		})
	}
}

// Stacks that may share a network one day, by peering, need addresses of
// their own.
func TestProductionsDoNotShareAddresses(t *testing.T) {
	t.Parallel()
	taken := make(map[string]string)
	for _, name := range []string{"prod-aws", "lean-aws"} {
		cfg, err := stack.Parse(readStack(t, name), name)
		if err != nil {
			t.Fatal(err)
		}
		if other := taken[cfg.Spec.Network.CIDR]; other != "" {
			t.Errorf("%s and %s both have %s", name, other, cfg.Spec.Network.CIDR)
		}
		taken[cfg.Spec.Network.CIDR] = name
	}
}

// The project file names the program and asks for what no tier has a default
// for, so that the ordinary CLI says so before it starts anything.
func TestProjectAsksForWhatHasNoDefault(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(root, "infra/main.go")); err != nil {
		t.Fatal(err)
	}
	project, err := workspace.LoadProject(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if project.Name != "trivet" || project.Main != "infra" || project.Runtime.Name() != "go" {
		t.Errorf("project %s runs %s by %s", project.Name, project.Main, project.Runtime.Name())
	}
	for name, limit := range stack.Limits {
		if strings.Contains(name, ".") || !limit.Required {
			continue
		}
		value := map[string]string{}
		for key, given := range production() {
			if key != name {
				value[key] = given
			}
		}
		_, err := stack.Parse(value, "x")
		if _, declared := project.Config[name]; declared != (err != nil) {
			t.Errorf("%s: Pulumi.yaml declares it: %t; the program misses it: %v", name, declared, err)
		}
	}
}
