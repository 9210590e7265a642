package main

import (
	"bufio"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) namespaceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "namespace",
		Aliases: []string{"ns"},
		Short:   "Show and change the settings of namespaces",
		Long: `Show and change the settings of namespaces. A namespace is there from its first
write on; nobody has to make it.

` + connectionHelp + `

` + exitCodesHelp,
		Example: `  trivet namespace list
  trivet namespace show shop
  trivet namespace set shop --retention 720h --max-bytes 1GiB`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	conn := t.connectionFlags(cmd)
	cmd.AddCommand(t.namespaceListCommand(conn), t.namespaceShowCommand(conn), t.namespaceSetCommand(conn))
	return cmd
}

func (t *terminal) namespaceListCommand(conn *connection) *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the namespaces that exist",
		Example: `  trivet namespace list
  trivet namespace list -o json | jq -r 'select(.keys == 0) | .name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.connect(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			ctx, cancel := interruptible(cmd.Context())
			defer cancel()
			namespaces, err := allNamespaces(ctx, c, conn.timeout)
			if err != nil {
				return err
			}
			return t.printNamespaces(namespaces, output)
		},
	}
	output.flag(cmd)
	return cmd
}

// allNamespaces reads page by page, each within the time limit of a request.
func allNamespaces(ctx context.Context, c *client.Client, timeout time.Duration) ([]kv.Namespace, error) {
	var all []kv.Namespace
	for cursor := ""; ; {
		page, err := func() (kv.NamespacePage, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return c.Namespaces(ctx, cursor, kv.MaxPageEntries)
		}()
		if err != nil {
			return nil, err
		}
		all = append(all, page.Namespaces...)
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

func (t *terminal) printNamespaces(namespaces []kv.Namespace, output format) error {
	if output.isText() {
		rows := make([][]string, len(namespaces))
		for i, n := range namespaces {
			rows[i] = []string{
				n.Name, strconv.FormatInt(n.Keys, 10), strconv.FormatInt(n.Bytes, 10), retentionText(n),
				ttlText(n), quotaText(n.MaxKeys), quotaText(n.MaxBytes),
			}
		}
		return t.printTable([]string{"NAME", "KEYS", "BYTES", "RETENTION", "DEFAULT TTL", "MAX KEYS", "MAX BYTES"}, rows)
	}
	out := bufio.NewWriter(t.out)
	for _, n := range namespaces {
		if err := output.element(out, wire.FromNamespace(n)); err != nil {
			return err
		}
	}
	return out.Flush()
}

func retentionText(n kv.Namespace) string { return wire.Duration(n.Retention).String() }

func ttlText(n kv.Namespace) string {
	if n.DefaultTTL == 0 {
		return "none"
	}
	return wire.Duration(n.DefaultTTL).String()
}

func quotaText(limit int64) string {
	if limit == 0 {
		return "none"
	}
	return strconv.FormatInt(limit, 10)
}

func (t *terminal) namespaceShowCommand(conn *connection) *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "show NAMESPACE",
		Short: "Show a namespace's settings and usage",
		Long:  `Show a namespace's settings and usage. One without writes has the defaults.`,
		Example: `  trivet namespace show shop
  trivet namespace show shop -o yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				n, err := c.Namespace(ctx, args[0])
				if err != nil {
					return err
				}
				return t.printNamespace(n, output)
			})
		},
	}
	output.flag(cmd)
	return cmd
}

func (t *terminal) printNamespace(n kv.Namespace, output format) error {
	if !output.isText() {
		return output.document(t.out, wire.FromNamespace(n))
	}
	return t.printFields([][2]string{
		{"name", n.Name},
		{"keys", strconv.FormatInt(n.Keys, 10)},
		{"bytes", strconv.FormatInt(n.Bytes, 10)},
		{"retention", retentionText(n)},
		{"default ttl", ttlText(n)},
		{"max keys", quotaText(n.MaxKeys)},
		{"max bytes", quotaText(n.MaxBytes)},
	})
}

func (t *terminal) namespaceSetCommand(conn *connection) *cobra.Command {
	var (
		output   format
		given    kv.Namespace
		maxBytes config.Bytes
	)
	cmd := &cobra.Command{
		Use:   "set NAMESPACE",
		Short: "Change the settings that the flags name, and no other",
		Long: `Change the settings that the flags name, and no other: they are read, changed
and written. Of two people who do that at a time the later one wins.`,
		Example: `  trivet namespace set shop --retention 720h
  trivet namespace set sessions --default-ttl 30m --max-keys 100000 --max-bytes 1GiB
  trivet namespace set shop --max-keys 0`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := cmd.Flags().Changed
			if !changed("default-ttl") && !changed("retention") && !changed("max-keys") && !changed("max-bytes") {
				return usageError{errors.New("there is nothing to set; see trivet namespace set --help")}
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				n, err := c.Namespace(ctx, args[0])
				if err != nil {
					return err
				}
				if changed("default-ttl") {
					n.DefaultTTL = given.DefaultTTL
				}
				if changed("retention") {
					n.Retention = given.Retention
				}
				if changed("max-keys") {
					n.MaxKeys = given.MaxKeys
				}
				if changed("max-bytes") {
					n.MaxBytes = int64(maxBytes)
				}
				if n, err = c.SetNamespace(ctx, n); err != nil {
					return err
				}
				return t.printNamespace(n, output)
			})
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&given.DefaultTTL, "default-ttl", 0, "time to live of entries written without one; 0: none")
	flags.DurationVar(&given.Retention, "retention", 0, "how long versions are kept once they are superseded, 168h unless it was set; 0: not at all")
	flags.Int64Var(&given.MaxKeys, "max-keys", 0, "quota of keys; 0: none")
	flags.Var(&bytesFlag{&maxBytes}, "max-bytes", "quota of keys and values together, such as 64MiB; 0: none")
	output.flag(cmd)
	return cmd
}

// bytesFlag makes a size a flag's value.
type bytesFlag struct{ size *config.Bytes }

// Set reads a size.
func (f *bytesFlag) Set(text string) error { return f.size.UnmarshalText([]byte(text)) }

// String is the size in bytes.
func (f *bytesFlag) String() string {
	if f.size == nil {
		return "0"
	}
	return strconv.FormatInt(int64(*f.size), 10)
}

// Type is what the help shows for the flag's value.
func (f *bytesFlag) Type() string { return "SIZE" }
