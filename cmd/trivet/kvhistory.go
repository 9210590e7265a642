package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) historyCommand(conn *connection) *cobra.Command {
	var (
		output format
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "history NAMESPACE KEY",
		Short: "List the versions of a key, the newest first",
		Long: `List the versions of a key that are within the namespace's retention, the
newest first, deletions included. "trivet kv get --version" prints the value of
one, "trivet kv restore" writes it again.`,
		Example: `  trivet kv history shop fruit/apple
  trivet kv history shop fruit/apple --limit 1
  trivet kv history shop fruit/apple -o json | jq -r .version`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usageError{errors.New("the limit has to be 0 (all) or more")}
			}
			versions, err := t.history(cmd, conn, args[0], args[1], limit)
			if err != nil {
				return err
			}
			return t.printHistory(versions, output)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "list at most so many versions; 0 lists all")
	output.flag(cmd)
	return cmd
}

// history reads up to limit versions, page by page; 0 is all of them.
func (t *terminal) history(cmd *cobra.Command, conn *connection, ns, key string, limit int) ([]wire.HistoryVersion, error) {
	c, err := t.connect(cmd)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()
	var versions []wire.HistoryVersion
	for query := (kv.HistoryQuery{}); ; {
		query.Limit = kv.MaxPageEntries
		if limit > 0 {
			query.Limit = min(query.Limit, limit-len(versions))
		}
		page, err := historyPage(ctx, conn, c, ns, key, query)
		if err != nil {
			return nil, err
		}
		versions = append(versions, wire.FromHistoryPage(page).Versions...)
		query.Cursor = page.Cursor
		if page.Cursor == "" || limit > 0 && len(versions) >= limit {
			return versions, nil
		}
	}
}

// historyPage reads one page within the time limit of a request.
func historyPage(ctx context.Context, conn *connection, c *client.Client, ns, key string, query kv.HistoryQuery) (kv.HistoryPage, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.timeout)
	defer cancel()
	return c.History(ctx, ns, key, query)
}

func (t *terminal) printHistory(versions []wire.HistoryVersion, output format) error {
	var rows [][]string
	for _, v := range versions {
		if !output.isText() {
			if err := output.element(t.out, v); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{
			strconv.FormatInt(int64(v.Version), 10), moment(v.At, ""), string(v.Op), strconv.FormatInt(v.Size, 10), v.ContentType,
		})
	}
	if !output.isText() {
		return nil
	}
	return t.printTable([]string{"VERSION", "AT", "OP", "SIZE", "CONTENT TYPE"}, rows)
}
