package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) listCommand(conn *connection) *cobra.Command {
	var (
		output format
		query  kv.ListQuery
		limit  int
	)
	cmd := &cobra.Command{
		Use:     "list NAMESPACE",
		Aliases: []string{"ls"},
		Short:   "Print keys in the order of their bytes",
		Long: `Print keys in the order of their bytes, one on each line. With --delimiter,
keys that contain it behind the prefix are folded into one line, as folders
are. What cannot be printed is quoted. With -o json each line is an entry, or
a prefix into which keys were folded; with -o yaml they are one sequence.`,
		Example: `  trivet kv list shop
  trivet kv list shop --prefix fruit/ --values
  trivet kv list shop --delimiter /
  trivet kv list shop -o json | jq -r 'select(.size > 1000) | .key'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usageError{errors.New("the limit has to be 0 (all) or more")}
			}
			out := bufio.NewWriter(t.out)
			err := t.list(cmd, conn, args[0], query, limit, func(item listItem) error {
				if output.isText() {
					return printKey(out, item)
				}
				return output.element(out, item.shape())
			})
			if flushErr := out.Flush(); err == nil {
				err = flushErr
			}
			return err
		},
	}
	cmd.Flags().StringVar(&query.Prefix, "prefix", "", "only keys that begin with this")
	cmd.Flags().StringVar(&query.Delimiter, "delimiter", "", "fold keys at the first of these behind the prefix, such as /")
	cmd.Flags().BoolVar(&query.Values, "values", false, "with values")
	cmd.Flags().IntVar(&limit, "limit", 0, "print at most so many lines; 0 prints all")
	output.flag(cmd)
	return cmd
}

// listItem is a line of a list: an entry, or the prefix into which a delimiter
// folded keys.
type listItem struct {
	entry  *kv.Entry
	prefix string
	values bool
}

// list calls visit for up to limit items, page by page; 0 is all of them.
func (t *terminal) list(cmd *cobra.Command, conn *connection, ns string, query kv.ListQuery, limit int, visit func(listItem) error) error {
	c, err := t.connect(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()
	for left := limit; ; {
		query.Limit = kv.MaxPageEntries
		if limit > 0 {
			query.Limit = min(query.Limit, left)
		}
		page, err := listPage(ctx, conn, c, ns, query)
		if err != nil {
			return err
		}
		items := inOrder(page, query.Values)
		for _, item := range items {
			if err := visit(item); err != nil {
				return err
			}
		}
		left -= len(items)
		query.Cursor = page.Cursor
		if page.Cursor == "" || limit > 0 && left <= 0 {
			return nil
		}
	}
}

// listPage reads one page within the time limit of a request.
func listPage(ctx context.Context, conn *connection, c *client.Client, ns string, query kv.ListQuery) (kv.ListPage, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.timeout)
	defer cancel()
	return c.List(ctx, ns, query)
}

// inOrder merges a page's entries and prefixes, each in order, into one list.
func inOrder(page kv.ListPage, values bool) []listItem {
	items := make([]listItem, 0, len(page.Entries)+len(page.Prefixes))
	prefixes := page.Prefixes
	for i := range page.Entries {
		entry := &page.Entries[i]
		for len(prefixes) > 0 && prefixes[0] < entry.Key {
			items = append(items, listItem{prefix: prefixes[0]})
			prefixes = prefixes[1:]
		}
		items = append(items, listItem{entry: entry, values: values})
	}
	for _, prefix := range prefixes {
		items = append(items, listItem{prefix: prefix})
	}
	return items
}

func printKey(out io.Writer, item listItem) error {
	var err error
	switch {
	case item.entry == nil:
		_, err = fmt.Fprintln(out, printable(item.prefix))
	case item.values:
		_, err = fmt.Fprintf(out, "%s\t%s\n", printable(item.entry.Key), printable(string(item.entry.Value)))
	default:
		_, err = fmt.Fprintln(out, printable(item.entry.Key))
	}
	return err
}

// shape gives the item as the API answers it.
func (item listItem) shape() any {
	if item.entry != nil {
		return wire.FromEntry(*item.entry, item.values)
	}
	var folded struct {
		Prefix      string `json:"prefix"`
		KeyEncoding string `json:"key_encoding,omitempty"`
	}
	folded.Prefix, folded.KeyEncoding = kv.EncodeKey(item.prefix)
	return folded
}
