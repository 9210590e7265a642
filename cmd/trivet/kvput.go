package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

func (t *terminal) putCommand(conn *connection) *cobra.Command {
	var (
		output      format
		file        string
		ttl         time.Duration
		ifMatch     int64
		ifAbsent    bool
		contentType string
		meta        map[string]string
	)
	cmd := &cobra.Command{
		Use:   "put NAMESPACE KEY [VALUE]",
		Short: "Write a key and print its new version",
		Long: `Write a key and print its new version. The value is the argument, the content
of --file, or, without either, what is read from standard input.`,
		Example: `  trivet kv put shop fruit/apple three
  trivet kv put shop logo.png --file logo.png --content-type image/png
  date | trivet kv put shop opened --ttl 8h
  trivet kv put shop lock me --if-absent
  trivet kv put shop fruit/apple four --if-match "$version"`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := t.value(args[2:], file)
			if err != nil {
				return err
			}
			op := kv.Operation{
				Kind: kv.KindPut, Key: args[1], Value: value, ContentType: contentType, Meta: meta, TTL: ttl,
				If: kv.Condition{Absent: ifAbsent},
			}
			if cmd.Flags().Changed("ttl") && ttl == 0 {
				return kv.CheckTTL("ttl", ttl)
			}
			if cmd.Flags().Changed("if-match") {
				if ifAbsent {
					return usageError{errors.New("--if-match and --if-absent exclude each other")}
				}
				op.If.Versions = []kv.Version{kv.Version(ifMatch)}
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				return t.write(ctx, c, args[0], op, output)
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "read the value from a file")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "time after which the key is absent, such as 90s (default: the namespace's)")
	cmd.Flags().Int64Var(&ifMatch, "if-match", 0, "write only if the key has this version")
	cmd.Flags().BoolVar(&ifAbsent, "if-absent", false, "write only if the key does not exist")
	cmd.Flags().StringVar(&contentType, "content-type", "", "media type of the value")
	cmd.Flags().StringToStringVar(&meta, "meta", nil, "metadata, NAME=VALUE; may be given more than once")
	output.flag(cmd)
	return cmd
}

// value gives what a put writes.
func (t *terminal) value(args []string, file string) ([]byte, error) {
	switch {
	case len(args) > 0 && file != "":
		return nil, usageError{errors.New("give the value as an argument or with --file, not both")}
	case len(args) > 0:
		return []byte(args[0]), nil
	default:
		return t.content(file, "there is no value: give it as an argument, with --file, or through a pipe")
	}
}

// content gives what a file holds or, without one, standard input; missing is
// what to say when that is somebody's keyboard.
func (t *terminal) content(file, missing string) ([]byte, error) {
	if file == "" {
		if isTerminal(t.in) {
			return nil, usageError{errors.New(missing)}
		}
		return readLimited(t.in)
	}
	content, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	return readLimited(content)
}

// readLimited reads up to the largest value that a server takes.
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
