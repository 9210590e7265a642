package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// execute runs the command line and gives the exit code.
func (t *terminal) execute(args []string) int {
	root := &cobra.Command{
		Use:   "trivet",
		Short: "A key-value store that your team owns",
		Long: `trivet runs a key-value store and talks to one.

  trivet run                       start a server on this machine
  trivet kv put shop apple three   write a key to it
  trivet kv get shop apple         read it back

` + exitCodesHelp,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	// What fails before a command begins to work is wrong usage.
	working := false
	root.PersistentPreRun = func(*cobra.Command, []string) { working = true }
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.AddCommand(t.runCommand(), t.kvCommand(), t.versionCommand())

	command, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if !working {
		err = usageError{fmt.Errorf("%w\nSee %s --help", err, command.CommandPath())}
	}
	fmt.Fprintf(t.err, "trivet: %s\n", message(err))
	return exitCode(err)
}
