package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) getCommand(conn *connection) *cobra.Command {
	var (
		output     format
		strong     bool
		minVersion int64
		version    int64
	)
	cmd := &cobra.Command{
		Use:   "get NAMESPACE KEY",
		Short: "Print a key's value",
		Long: `Print a key's value, byte for byte. On a terminal a line end is added where
the value has none.`,
		Example: `  trivet kv get shop fruit/apple
  trivet kv get shop logo.png > logo.png
  trivet kv get shop fruit/apple --version 1718000000000000
  trivet kv get shop fruit/apple -o json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := kv.ReadOptions{MinVersion: kv.Version(minVersion)}
			if version != 0 && (strong || minVersion != 0) {
				return usageError{errors.New("--version names one version; --strong and --min-version are for the newest")}
			}
			if strong {
				opts.Consistency = kv.Strong
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				entry, err := get(ctx, c, args[0], args[1], opts, kv.Version(version))
				if err != nil {
					return err
				}
				return t.printEntry(entry, output)
			})
		},
	}
	cmd.Flags().BoolVar(&strong, "strong", false, "read the database rather than the cache")
	cmd.Flags().Int64Var(&minVersion, "min-version", 0, "an answer below this version is not good enough")
	cmd.Flags().Int64Var(&version, "version", 0, "a former version, as trivet kv history lists it")
	output.flag(cmd)
	return cmd
}

// get reads a version of a key, the newest one for 0.
func get(ctx context.Context, c *client.Client, ns, key string, opts kv.ReadOptions, version kv.Version) (kv.Entry, error) {
	if version != 0 {
		return c.Version(ctx, ns, key, version)
	}
	return c.Get(ctx, ns, key, opts)
}

func (t *terminal) printEntry(entry kv.Entry, output format) error {
	if !output.isText() {
		shape := wire.FromEntry(entry, true)
		return output.document(t.out, struct {
			wire.Entry
			// A GET does not answer when the key was made.
			CreatedAt *wire.Time `json:"created_at,omitempty"`
		}{Entry: shape})
	}
	if _, err := t.out.Write(entry.Value); err != nil {
		return err
	}
	if isTerminal(t.out) && !strings.HasSuffix(string(entry.Value), "\n") {
		fmt.Fprintln(t.out)
	}
	return nil
}
