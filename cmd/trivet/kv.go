package main

import "github.com/spf13/cobra"

func (t *terminal) kvCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kv",
		Short: "Read and write keys of a running server",
		Long: `Read and write keys of a running server.

` + connectionHelp + `

` + exitCodesHelp,
		Example: `  trivet kv put shop fruit/apple three
  trivet kv get shop fruit/apple
  trivet kv list shop --prefix fruit/ --values
  trivet kv watch shop --since 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	conn := t.connectionFlags(cmd)
	cmd.AddCommand(
		t.getCommand(conn), t.putCommand(conn), t.deleteCommand(conn), t.listCommand(conn), t.watchCommand(),
		t.historyCommand(conn), t.restoreCommand(conn), t.incrementCommand(conn), t.txnCommand(conn),
	)
	return cmd
}
