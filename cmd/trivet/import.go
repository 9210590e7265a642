package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/transfer"
)

// conflictFlag is the value of --on-conflict.
type conflictFlag transfer.Conflict

func (f *conflictFlag) String() string { return string(*f) }

// Set reads what to do.
func (f *conflictFlag) Set(text string) error {
	switch transfer.Conflict(text) {
	case transfer.Overwrite, transfer.Skip, transfer.Fail:
		*f = conflictFlag(text)
		return nil
	default:
		return errors.New("it has to be overwrite, skip or fail")
	}
}

// Type is what the help shows for the flag's value.
func (f *conflictFlag) Type() string { return "ACTION" }

func (t *terminal) importCommand() *cobra.Command {
	var (
		conn     *connection
		file     string
		format   transferFormat
		conflict = conflictFlag(transfer.Overwrite)
	)
	cmd := &cobra.Command{
		Use:   "import NAMESPACE",
		Short: "Write the keys of a file into a namespace",
		Long: `Write the keys of an export, or of any file in its format, into a namespace:
from standard input or --file. Several batches are under way at a time; lines of
one key are written in their order. Entries whose time of expiry has passed are
left out and counted.

With --file an import that was interrupted, even by kill -9 or a power cut, is
continued by the same command, within 7 days: beside the file is FILE.progress
until all is done. What had been written is not written again. An import that
was done can be made again, and writes again.

The first line that is wrong or refused ends the import with its number and
field. Up to 16000 lines before it may not have been written; nothing behind it
is, but for batches that were under way when the server refused it. After a
mistake in the file is corrected, remove FILE.progress and begin again, with
--on-conflict skip to leave what is there.

JSON lines need key and value; version, size, created_at and updated_at may be
there and are ignored. CSV needs a header with key and value; see "trivet export
--help" for the other columns.

` + connectionHelp,
		Example: `  trivet import shop -f shop.jsonl
  trivet import shop -f fruit.csv --format csv --on-conflict skip
  zcat shop.jsonl.gz | trivet import shop`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" && isTerminal(t.in) {
				return usageError{errors.New("there is nothing to import: give it with --file, or through a pipe")}
			}
			return t.transfer(cmd, func(ctx context.Context, c *client.Client, server string) error {
				return t.importEntries(ctx, c, file, transfer.ImportOptions{
					Server: server, Namespace: args[0], Format: transfer.Format(format),
					OnConflict: transfer.Conflict(conflict), Timeout: conn.timeout,
				})
			})
		},
	}
	conn = t.connectionFlags(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "read this file, and continue with it after an interruption")
	cmd.Flags().Var(&conflict, "on-conflict", "with a key that exists: overwrite, skip or fail")
	format.flag(cmd)
	return cmd
}

func (t *terminal) importEntries(ctx context.Context, c *client.Client, file string, opts transfer.ImportOptions) error {
	total := int64(-1)
	if file != "" {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		total = info.Size()
	}
	shown := t.startProgress("imported", total, true)
	opts.Progress = func(i transfer.Imported) { shown.show(i.Entries(), i.Bytes) }
	var done transfer.Imported
	var err error
	if file == "" {
		done, err = transfer.Import(ctx, c, t.in, opts)
	} else {
		done, err = transfer.ImportFile(ctx, c, file, opts)
	}
	if err != nil {
		if done.Entries() > 0 {
			shown.end("interrupted after %d entries", done.Entries())
		}
		return err
	}
	shown.end("imported %d entries%s %s", done.Written, leftOut(done), shown.took(done.Entries()))
	return nil
}

// leftOut tells what an import did not write.
func leftOut(done transfer.Imported) string {
	var parts []string
	for _, part := range []struct {
		n    int64
		what string
	}{
		{done.Repeated, "found written already"},
		{done.Existing, "skipped because they exist"},
		{done.Expired, "skipped because they have expired"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
