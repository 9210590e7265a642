package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// passphrase encrypts the secrets in the state of a rehearsal, of which none
// opens anything.
const passphrase = "rehearsal"

// workspace is a copy of a project's settings with a state of its own, so that
// neither the project's files nor anybody's stacks are written to.
type workspace struct {
	dir     string
	home    string
	backend string
	configs string
	command *command
	plugins *standin.Plugins
}

// project is what is needed of Pulumi.yaml.
type project struct {
	Main           string `yaml:"main"`
	StackConfigDir string `yaml:"stackConfigDir"`
}

// newWorkspace copies the project at root into a directory of its own.
func newWorkspace(dir, root string, command *command, plugins *standin.Plugins) (*workspace, error) {
	w := &workspace{
		dir: filepath.Join(dir, "project"), home: filepath.Join(dir, "home"), backend: filepath.Join(dir, "state"),
		command: command, plugins: plugins,
	}
	var p project
	settings, err := os.ReadFile(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(settings, &p); err != nil {
		return nil, fmt.Errorf("read Pulumi.yaml: %w", err)
	}
	w.configs = filepath.Join(w.dir, p.StackConfigDir)
	for _, d := range []string{filepath.Join(w.dir, p.Main), w.configs, w.home, w.backend} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(w.dir, "Pulumi.yaml"), settings, 0o600); err != nil { //nolint:gosec // into a temporary directory
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, p.StackConfigDir, "Pulumi.*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		opened, err := withoutSecrets(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(w.configs, filepath.Base(file)), opened, 0o600); err != nil { //nolint:gosec // into a temporary directory
			return nil, err
		}
	}
	return w, nil
}

// withoutSecrets takes a stack file's encryption off: its key is not needed
// for a rehearsal, and not asked for. Encrypted settings get another value.
func withoutSecrets(content []byte) ([]byte, error) {
	var file map[string]any
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, err
	}
	for _, key := range []string{"encryptionsalt", "encryptedkey", "secretsprovider"} {
		delete(file, key)
	}
	replaceSecure(file["config"])
	return yaml.Marshal(file)
}

func replaceSecure(node any) {
	settings, ok := node.(map[string]any)
	if !ok {
		return
	}
	for key, value := range settings {
		nested, ok := value.(map[string]any)
		if _, secure := nested["secure"]; ok && secure && len(nested) == 1 {
			settings[key] = passphrase
			continue
		}
		replaceSecure(value)
	}
}

// environment is what the engine runs with.
func (w *workspace) environment() map[string]string {
	name, value := w.plugins.Environment()
	return map[string]string{
		name:                                          value,
		"PULUMI_BACKEND_URL":                          "file://" + w.backend,
		"PULUMI_CONFIG_PASSPHRASE":                    passphrase,
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_EXPERIMENTAL":                         "true",
		"PULUMI_SKIP_CHECKPOINTS":                     "true", // a rehearsal that is cut short has lost nothing
		"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK":    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
}

// run runs the CLI once and gives what it printed.
func (w *workspace) run(ctx context.Context, args ...string) (string, error) {
	env := []string{"PULUMI_HOME=" + w.home}
	for name, value := range w.environment() {
		env = append(env, name+"="+value)
	}
	stdout, stderr, _, err := w.command.Run(ctx, w.dir, nil, nil, nil, env, args...)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr))
	}
	return stdout, nil
}

// stack makes a stack of the project: with the settings of a file, which may be
// another one's, and some over those.
func (w *workspace) stack(
	ctx context.Context, name, file string, program pulumi.RunFunc, settings map[string]string,
) (auto.Stack, error) {
	if err := w.configure(name, cmp.Or(file, name), settings); err != nil {
		return auto.Stack{}, err
	}
	stack, err := auto.UpsertStackInlineSource(ctx, name, "", program,
		auto.WorkDir(w.dir), auto.PulumiHome(w.home), auto.EnvVars(w.environment()), auto.Pulumi(w.command), auto.SecretsProvider("passphrase"))
	if err != nil {
		return auto.Stack{}, shortened(err)
	}
	return stack, nil
}

// configure writes the file of a stack.
func (w *workspace) configure(name, from string, settings map[string]string) error {
	path := func(stack string) string { return filepath.Join(w.configs, "Pulumi."+stack+".yaml") }
	content, err := os.ReadFile(path(from))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	file := map[string]any{}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return err
	}
	config, ok := file["config"].(map[string]any)
	if !ok {
		config = map[string]any{}
	}
	for key, value := range settings {
		config[key] = value
	}
	file["config"] = config
	if content, err = yaml.Marshal(file); err != nil {
		return err
	}
	return os.WriteFile(path(name), content, 0o600)
}

// shortened keeps what the engine said of what the Automation API makes of it:
// a command's whole output, twice.
func shortened(err error) error {
	_, stderr, found := strings.Cut(err.Error(), "\nstderr: ")
	if stderr = strings.TrimSpace(stderr); found && stderr != "" {
		return errors.New(stderr)
	}
	return err
}
