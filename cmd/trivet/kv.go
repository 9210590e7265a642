package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/telemetry"
)

// kvFlags are what all commands of kv take.
type kvFlags struct {
	url     string
	token   string
	timeout time.Duration
}

func (t *terminal) kvCommand() *cobra.Command {
	flags := new(kvFlags)
	cmd := &cobra.Command{
		Use:   "kv",
		Short: "Read and write keys of a running server",
		Long: `Read and write keys of a running server, at --url or TRIVET_URL. With
authentication, give a token in TRIVET_TOKEN, or in the file that
TRIVET_TOKEN_FILE names.

` + exitCodesHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	persistent := cmd.PersistentFlags()
	persistent.StringVar(&flags.url, "url", "", "base URL of the server (TRIVET_URL; default http://127.0.0.1:8080)")
	persistent.StringVar(&flags.token, "token", "", "bearer token (TRIVET_TOKEN); other users of this machine can see flags")
	persistent.DurationVar(&flags.timeout, "timeout", 30*time.Second, "time limit of one request")
	cmd.AddCommand(
		t.getCommand(flags), t.putCommand(flags), t.deleteCommand(flags), t.listCommand(flags), t.watchCommand(),
	)
	return cmd
}

// connect makes the client that flags and variables name.
func (t *terminal) connect(cmd *cobra.Command) (*client.Client, error) {
	given := make(map[string]string)
	for flag, variable := range map[string]string{"url": "TRIVET_URL", "token": "TRIVET_TOKEN"} {
		if f := cmd.Flag(flag); f.Changed {
			given[variable] = f.Value.String()
		}
	}
	var cfg config.Client
	if err := config.Load(config.Overlay(t.environ, given), &cfg); err != nil {
		return nil, err
	}
	return client.New(client.Options{
		URL:       cfg.URL,
		Token:     cfg.Token.Reveal(),
		UserAgent: "trivet-cli/" + telemetry.ReadBuild().Version,
	})
}

// request runs one request within the time limit; Ctrl-C cancels it.
func (t *terminal) request(cmd *cobra.Command, flags *kvFlags, run func(context.Context, *client.Client) error) error {
	c, err := t.connect(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()
	ctx, cancelTimeout := context.WithTimeout(ctx, flags.timeout)
	defer cancelTimeout()
	return run(ctx, c)
}

func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
}
