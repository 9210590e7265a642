package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) getCommand(flags *kvFlags) *cobra.Command {
	var (
		output     format
		strong     bool
		minVersion int64
	)
	cmd := &cobra.Command{
		Use:   "get NAMESPACE KEY",
		Short: "Print a key's value",
		Long: `Print a key's value, byte for byte. On a terminal a line end is added where
the value has none.`,
		Example: `  trivet kv get shop fruit/apple
  trivet kv get shop logo.png > logo.png
  trivet kv get shop fruit/apple -o json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := kv.ReadOptions{MinVersion: kv.Version(minVersion)}
			if strong {
				opts.Consistency = kv.Strong
			}
			return t.request(cmd, flags, func(ctx context.Context, c *client.Client) error {
				entry, err := c.Get(ctx, args[0], args[1], opts)
				if err != nil {
					return err
				}
				return t.printEntry(entry, output)
			})
		},
	}
	cmd.Flags().BoolVar(&strong, "strong", false, "read the database rather than the cache")
	cmd.Flags().Int64Var(&minVersion, "min-version", 0, "an answer below this version is not good enough")
	output.flag(cmd)
	return cmd
}

func (t *terminal) printEntry(entry kv.Entry, output format) error {
	if output == formatJSON {
		shape := wire.FromEntry(entry, true)
		return t.printJSON(struct {
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

func (t *terminal) printJSON(shape any) error {
	line, err := wire.Marshal(shape)
	if err != nil {
		return err
	}
	_, err = t.out.Write(line)
	return err
}

// isTerminal tells whether a person reads or writes at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// readLimited reads a value up to the largest that a server takes.
func readLimited(r io.Reader) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r, kv.MaxValueBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	if len(value) > kv.MaxValueBytes {
		return nil, &kv.Error{Code: kv.CodeTooLarge, Field: "value", Detail: "the value is larger than 8 MiB"}
	}
	return value, nil
}
