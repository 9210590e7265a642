package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

func (t *terminal) deleteCommand(conn *connection) *cobra.Command {
	var (
		output  format
		ifMatch int64
	)
	cmd := &cobra.Command{
		Use:     "delete NAMESPACE KEY",
		Aliases: []string{"rm"},
		Short:   "Delete a key and print the version of its deletion",
		Example: `  trivet kv delete shop fruit/apple
  trivet kv delete shop fruit/apple --if-match "$version"`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			op := kv.Operation{Kind: kv.KindDelete, Key: args[1]}
			if cmd.Flags().Changed("if-match") {
				op.If.Versions = []kv.Version{kv.Version(ifMatch)}
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				return t.write(ctx, c, args[0], op, output)
			})
		},
	}
	cmd.Flags().Int64Var(&ifMatch, "if-match", 0, "delete only if the key has this version")
	output.flag(cmd)
	return cmd
}
