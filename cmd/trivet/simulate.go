package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/services/autoscaler/simulator/simulate"
)

// simulatorName is the program that has Knative's autoscaler as well, whose
// modules this one does without.
const simulatorName = "trivet-simulator"

// simulateCommand becomes the simulator's program where that is installed; else
// it tries the other policies itself.
func (t *terminal) simulateCommand() *cobra.Command {
	cmd := simulate.NewCommand(t.out, t.err, nil)
	here := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		program, err := t.simulator()
		if err != nil {
			return err
		}
		if program != "" {
			return t.becomeSimulator(cmd, program)
		}
		err = here(cmd, args)
		var usage simulate.UsageError
		if errors.As(err, &usage) {
			return usageError{err}
		}
		return err
	}
	return cmd
}

// simulator finds the simulator's program, "" where it is not installed.
func (t *terminal) simulator() (string, error) {
	var cfg config.Simulator
	if err := config.Load(t.environ, &cfg); err != nil {
		return "", err
	}
	if cfg.Program != "" {
		program, err := exec.LookPath(cfg.Program)
		if err != nil {
			return "", usageError{fmt.Errorf("TRIVET_SIMULATOR: it has to name a program: %w", err)}
		}
		return program, nil
	}
	if self, err := os.Executable(); err == nil {
		if program, err := exec.LookPath(filepath.Join(filepath.Dir(self), simulatorName)); err == nil {
			return program, nil
		}
	}
	program, err := exec.LookPath(simulatorName)
	if err != nil {
		return "", nil //nolint:nilerr // it need not be there
	}
	return program, nil
}

// becomeSimulator puts the program in this one's place: what it reads, prints,
// is signalled and exits with is then its own. It returns only failures.
func (t *terminal) becomeSimulator(cmd *cobra.Command, program string) error {
	_, args, err := cmd.Root().Find(t.args)
	if err != nil {
		return err
	}
	if err := syscall.Exec(program, append([]string{program}, args...), t.environ); err != nil { //nolint:gosec // the user's own
		return fmt.Errorf("start %s: %w", program, err)
	}
	return nil
}
