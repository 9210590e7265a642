package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/transfer"
)

// transferFormat is the value of --format.
type transferFormat transfer.Format

func (f *transferFormat) String() string { return string(*f) }

// Set reads a format.
func (f *transferFormat) Set(text string) error {
	if text != string(transfer.JSONLines) && text != string(transfer.CSV) {
		return errors.New("it has to be jsonl or csv")
	}
	*f = transferFormat(text)
	return nil
}

// Type is what the help shows for the flag's value.
func (f *transferFormat) Type() string { return "FORMAT" }

func (f *transferFormat) flag(cmd *cobra.Command) {
	*f = transferFormat(transfer.JSONLines)
	cmd.Flags().Var(f, "format", "jsonl (JSON lines) or csv")
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{string(transfer.JSONLines), string(transfer.CSV)}, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc("format", complete); err != nil {
		panic(err) // the flag has two completions
	}
}

func (t *terminal) exportCommand() *cobra.Command {
	var (
		conn         *connection
		file, prefix string
		format       transferFormat
	)
	cmd := &cobra.Command{
		Use:   "export NAMESPACE",
		Short: "Write a namespace's keys to a file",
		Long: `Write the keys of a namespace with their values, content types, metadata and
times of expiry, in the order of the keys, to standard output or --file.

With --file an export that was interrupted, even by kill -9 or a power cut, is
continued by the same command: beside the file is FILE.progress until it is
complete. A file that is complete is never written over.

JSON lines are entries as the API shows them, values as base64. CSV has the
columns key, key_encoding, value, value_encoding, content_type, expires_at and
meta; what is no text is base64, and its encoding column says so.

Keys that are written meanwhile are in it as they were before or after. The
position at the end is one from which "trivet kv watch --since" misses nothing.

` + connectionHelp,
		Example: `  trivet export shop -f shop.jsonl
  trivet export shop --prefix fruit/ --format csv > fruit.csv
  trivet export shop | gzip > shop.jsonl.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.transfer(cmd, func(ctx context.Context, c *client.Client, server string) error {
				return t.export(ctx, c, file, transfer.ExportOptions{
					Server: server, Namespace: args[0], Prefix: prefix,
					Format: transfer.Format(format), Timeout: conn.timeout,
				})
			})
		},
	}
	conn = t.connectionFlags(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to this file, and continue with it after an interruption")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this")
	format.flag(cmd)
	return cmd
}

// transfer runs an export or an import; Ctrl-C interrupts it.
func (t *terminal) transfer(cmd *cobra.Command, run func(ctx context.Context, c *client.Client, server string) error) error {
	server, err := t.target(cmd)
	if err != nil {
		return err
	}
	c, err := server.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()
	return run(ctx, c, server.url)
}

func (t *terminal) export(ctx context.Context, c *client.Client, file string, opts transfer.ExportOptions) error {
	total := int64(-1)
	if opts.Prefix == "" {
		// Who may only read keys does not see how many there are.
		if n, err := c.Namespace(ctx, opts.Namespace); err == nil {
			total = n.Keys
		}
	}
	shown := t.startProgress("exported", total, false)
	opts.Progress = func(e transfer.Exported) { shown.show(e.Entries, e.Entries) }
	var done transfer.Exported
	var err error
	if file == "" {
		done, err = transfer.Export(ctx, c, t.out, opts)
	} else {
		done, err = transfer.ExportFile(ctx, c, file, opts)
	}
	if err != nil {
		if file != "" && done.Entries > 0 {
			shown.end("interrupted after %d entries; the same command continues", done.Entries)
		}
		return err
	}
	shown.end("exported %d entries, %d bytes, %s; position %d", done.Entries, done.Bytes, shown.took(done.Entries), done.Position)
	return nil
}
