package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// root makes all commands.
func (t *terminal) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "trivet",
		Short: "A key-value store that your team owns",
		Long: `trivet runs a key-value store and talks to one.

  trivet run                       start a server on this machine
  trivet kv put shop apple three   write a key to it
  trivet kv get shop apple         read it back
  trivet kv watch shop --since 0   follow what changes

To give it to others, start it with TRIVET_AUTH=token (see trivet run --help),
make a token for each application, and save yours as a context:

  trivet token create web --scope shop=read,write --ttl 720h
  trivet context set prod --url https://kv.example.com --token-file web-token

Results are text for people, or JSON or YAML with -o; they alone are on standard
output. Commands complete with Tab: see trivet completion --help.

` + exitCodesHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("config", "", "file of the contexts (TRIVET_CONFIG; default trivet/config.yaml in your configuration directory)")
	root.AddCommand(
		t.runCommand(), t.kvCommand(), t.tokenCommand(), t.namespaceCommand(), t.contextCommand(), t.versionCommand(),
		t.exportCommand(), t.importCommand(), t.benchCommand(), t.scaleCommand(), t.simulateCommand(), t.costCommand(), t.statusCommand(),
		t.rehearseCommand(),
	)
	return root
}

// execute runs the command line and gives the exit code.
func (t *terminal) execute(args []string) int {
	t.args = args
	root := t.root()
	// What fails before a command begins to work is wrong usage.
	working := false
	root.PersistentPreRun = func(*cobra.Command, []string) { working = true }
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)

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
