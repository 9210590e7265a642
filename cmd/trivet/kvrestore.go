package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

func (t *terminal) restoreCommand(conn *connection) *cobra.Command {
	var (
		output  format
		ifMatch int64
	)
	cmd := &cobra.Command{
		Use:   "restore NAMESPACE KEY VERSION",
		Short: "Write a former version again and print the new one",
		Long: `Write a former version of a key again, deleted or not, and print the version
that this made. "trivet kv history" lists what there is.`,
		Example: `  trivet kv restore shop fruit/apple 1718000000000000
  trivet kv restore shop fruit/apple "$old" --if-match "$current"`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.ParseInt(args[2], 10, 64)
			if err != nil {
				return usageError{errors.New("the version has to be a number, as trivet kv history lists it")}
			}
			op := kv.Operation{Kind: kv.KindRestore, Key: args[1], Restore: kv.Version(version)}
			if cmd.Flags().Changed("if-match") {
				op.If.Versions = []kv.Version{kv.Version(ifMatch)}
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				return t.write(ctx, c, args[0], op, output)
			})
		},
	}
	cmd.Flags().Int64Var(&ifMatch, "if-match", 0, "restore only if the key has this version now")
	output.flag(cmd)
	return cmd
}
