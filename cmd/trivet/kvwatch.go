package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) watchCommand() *cobra.Command {
	var (
		output format
		opts   client.WatchOptions
		since  int64
	)
	cmd := &cobra.Command{
		Use:   "watch NAMESPACE",
		Short: "Print changes as they happen, until Ctrl-C",
		Long: `Print changes as they happen, one on each line, until Ctrl-C: position, time,
what happened (put, delete or expire), key, and with --values the value. A
stream that is lost is told on standard error and resumed where it was, for as
long as it takes. To go on after Ctrl-C, watch again with --since and the last
position.`,
		Example: `  trivet kv watch shop
  trivet kv watch shop --prefix fruit/ --values
  trivet kv watch shop --since 0 -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("since") {
				position := kv.Position(since)
				opts.Since = &position
			}
			c, err := t.connect(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			ctx, cancel := interruptible(cmd.Context())
			defer cancel()
			opts.Interrupted = func(err error) { fmt.Fprintf(t.err, "trivet: %s; resuming\n", message(err)) }
			for change, err := range c.Watch(ctx, args[0], opts) {
				switch {
				case ctx.Err() != nil:
					return nil // it was ended by the one who started it
				case err != nil:
					return err
				}
				if err := t.printChange(change, opts.Values, output); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&opts.Prefix, "prefix", "", "only keys that begin with this")
	cmd.Flags().Int64Var(&since, "since", 0, "begin behind this position rather than now; 0 is the beginning")
	cmd.Flags().BoolVar(&opts.Values, "values", false, "with values, up to 64 KiB each")
	output.flag(cmd)
	return cmd
}

func (t *terminal) printChange(change kv.Change, values bool, output format) error {
	if !output.isText() {
		return output.element(t.out, struct {
			Kind     kv.ChangeKind `json:"event"`
			Position kv.Position   `json:"position"`
			wire.Event
		}{change.Kind, change.Position, wire.FromChange(change, values)})
	}
	line := fmt.Sprintf("%d\t%s\t%s\t%s", change.Position, change.At.Local().Format(time.TimeOnly), change.Kind, printable(change.Key))
	switch {
	case change.Truncated:
		line += "\t(larger than 64 KiB)"
	case values && change.Kind == kv.ChangePut:
		line += "\t" + printable(string(change.Value))
	}
	_, err := fmt.Fprintln(t.out, line)
	return err
}
