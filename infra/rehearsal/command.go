package rehearsal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// FindPulumi gives the path of the Pulumi CLI: the one on the PATH, or the one
// that is built from tools/pulumi of the repository, which takes some minutes
// the first time.
func FindPulumi(ctx context.Context, root string, progress io.Writer) (string, error) {
	if path, err := exec.LookPath("pulumi"); err == nil {
		return path, nil
	}
	path := filepath.Join(root, "bin", "pulumi")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(progress, "No pulumi is on the PATH: building it from tools/pulumi. This takes some minutes, once.\n")
	build := exec.CommandContext(ctx, "make", "-C", root, "bin/pulumi")
	build.Stdout, build.Stderr = progress, progress
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build the Pulumi CLI: %w", err)
	}
	return path, nil
}

// command runs the CLI with nothing of this machine's environment that could
// lead to an account or a cluster.
type command struct {
	path    string
	version semver.Version
}

var _ auto.PulumiCommand = (*command)(nil)

func newCommand(ctx context.Context, path string) (*command, error) {
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s version: %w", path, err)
	}
	version, err := semver.ParseTolerant(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, fmt.Errorf("%s says version %q: %w", path, out, err)
	}
	return &command{path: path, version: version}, nil
}

// Version is the CLI's.
func (c *command) Version() semver.Version { return c.version }

// Run runs the CLI once.
func (c *command) Run(
	ctx context.Context, dir string, stdin io.Reader, outs, errs []io.Writer, env []string, args ...string,
) (string, string, int, error) {
	if answer, unasked := unread(args); unasked {
		return answer, "", 0, nil
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, append([]string{"--non-interactive"}, args...)...) //nolint:gosec // the CLI that was asked for
	cmd.Dir, cmd.Stdin, cmd.Env = dir, stdin, append(harmless(os.Environ()), env...)
	cmd.Stdout = io.MultiWriter(append(outs, &stdout)...)
	cmd.Stderr = io.MultiWriter(append(errs, &stderr)...)
	// The engine gets a chance to write its state down.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		code := -1
		if cmd.ProcessState != nil {
			code = cmd.ProcessState.ExitCode()
		}
		return stdout.String(), stderr.String(), code, err
	}
	return stdout.String(), stderr.String(), 0, nil
}

// unread answers what the Automation API asks after every step and nobody here
// reads: outputs and history, for which the CLI would open the whole state.
func unread(args []string) (string, bool) {
	switch {
	case len(args) < 2 || args[0] != "stack":
		return "", false
	case args[1] == "output":
		return "{}", true
	case args[1] == "history":
		return "[]", true
	}
	return "", false
}

// harmless keeps the variables that a program needs to run at all. What could
// name an account, a cluster or a backend stays behind.
func harmless(environ []string) []string {
	kept := []string{"PATH", "HOME", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "SYSTEMROOT", "USER", "USERPROFILE"}
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(kept, name)
	})
}
