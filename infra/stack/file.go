package stack

import (
	"fmt"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// ReadFile reads and validates the configuration in a stack's file, outside of
// a deployment. Root is the folder of Pulumi.yaml. Secrets stay encrypted.
func ReadFile(root, name string) (Config, error) {
	project, err := workspace.LoadProject(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		return Config{}, fmt.Errorf("read the project: %w", err)
	}
	path := filepath.Join(root, project.StackConfigDir, "Pulumi."+name+".yaml")
	file, err := workspace.LoadProjectStack(cmdutil.Diag(), project, path)
	if err != nil {
		return Config{}, fmt.Errorf("read %s: %w", path, err)
	}
	if len(file.Config) == 0 {
		return Config{}, fmt.Errorf("%s is no stack's file", path)
	}
	values := make(map[string]string)
	for key, value := range file.Config {
		text, err := value.Value(config.NopDecrypter)
		if err != nil {
			return Config{}, fmt.Errorf("setting %s of %s: %w", key, path, err)
		}
		if key.Namespace()+":" == namespace {
			values[key.Name()] = text
		}
	}
	cfg, err := Parse(values, name)
	cfg.Spec.Project = string(project.Name)
	return cfg, err
}
