package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// startInfrastructure builds a program of infra/cmd in the checkout that the
// working directory is in, and runs it there. The deployment's program links
// some hundred megabytes of SDKs, which this command does without.
func (t *terminal) startInfrastructure(ctx context.Context, program string, args ...string) error {
	root, err := projectRoot()
	if err != nil {
		return err
	}
	binary := filepath.Join(root, "bin", "infra-"+program)
	fmt.Fprintf(t.err, "building infra/cmd/%s; the first time takes some minutes\n", program)
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./infra/cmd/"+program)
	build.Dir, build.Env, build.Stdout, build.Stderr = root, t.environ, t.err, t.err
	if err := build.Run(); err != nil {
		return fmt.Errorf("build infra/cmd/%s: %w", program, err)
	}
	run := exec.CommandContext(ctx, binary, append([]string{"-root", root}, args...)...)
	run.Env, run.Stdin, run.Stdout, run.Stderr = t.environ, t.in, t.out, t.err
	// Interrupted at the terminal, the program is too: it cleans up behind itself.
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	var exit *exec.ExitError
	switch err := run.Run(); {
	case errors.As(err, &exit) && exit.ExitCode() == exitUsage:
		return usageError{fmt.Errorf("%s refuses what it was asked for", program)}
	case err != nil:
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// projectRoot is the nearest directory upwards that holds a Pulumi project
// with its program in infra.
func projectRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		_, project := os.Stat(filepath.Join(at, "Pulumi.yaml"))
		_, program := os.Stat(filepath.Join(at, "infra", "go.mod"))
		if project == nil && program == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", usageError{fmt.Errorf("%s is in no checkout of Trivet, whose infra this needs", dir)}
		}
	}
}
