package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

func (t *terminal) incrementCommand(conn *connection) *cobra.Command {
	var (
		output  format
		by      int64
		ifMatch int64
	)
	cmd := &cobra.Command{
		Use:     "increment NAMESPACE KEY",
		Aliases: []string{"incr"},
		Short:   "Add to a number, atomically, and print what it came to",
		Long: `Add to a number, atomically, and print what it came to. An absent key counts
from 0; a value that is no decimal integer of 64 bits is refused.`,
		Example: `  trivet kv increment shop visits
  trivet kv increment shop stock/apple --by -3
  trivet kv increment shop visits -o json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			op := kv.Operation{Kind: kv.KindIncrement, Key: args[1], By: by}
			if cmd.Flags().Changed("if-match") {
				op.If.Versions = []kv.Version{kv.Version(ifMatch)}
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				return t.write(ctx, c, args[0], op, output)
			})
		},
	}
	cmd.Flags().Int64Var(&by, "by", 1, "what is added; less than 0 subtracts")
	cmd.Flags().Int64Var(&ifMatch, "if-match", 0, "add only if the key has this version")
	output.flag(cmd)
	return cmd
}
