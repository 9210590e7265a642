package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
)

func (t *terminal) contextCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Name servers and choose the one that commands talk to",
		Long: `Name servers and choose the one that commands talk to. Contexts are kept in
the file of --config or TRIVET_CONFIG, else in trivet/config.yaml in your
configuration directory. It is readable by you alone; a file that others may
read is refused when it holds a token.

A command talks to the server of its flags, else of the variables, else of the
context in use. A context's token and certificates are for its server only.`,
		Example: `  trivet context set local --url http://127.0.0.1:8080
  trivet context set prod --url https://kv.example.com --token-file ~/.trivet-token
  trivet context use prod
  trivet kv list shop --context local`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		t.contextSetCommand(), t.contextUseCommand(), t.contextListCommand(), t.contextShowCommand(), t.contextDeleteCommand(),
	)
	return cmd
}

// contextPath gives the file of contexts, "" where there is no place for one.
func (t *terminal) contextPath(cmd *cobra.Command) (string, error) {
	if path := cmd.Flag("config").Value.String(); path != "" {
		return path, nil
	}
	var cfg config.Client
	if err := config.Load(t.environ, &cfg); err != nil {
		return "", err
	}
	if cfg.Config != "" {
		return cfg.Config, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", nil //nolint:nilerr // a service account has no home, and needs no contexts
	}
	return filepath.Join(dir, "trivet", "config.yaml"), nil
}

// contexts reads the file of contexts and tells where it is.
func (t *terminal) contexts(cmd *cobra.Command) (contextFile, string, error) {
	path, err := t.contextPath(cmd)
	if err == nil && path == "" {
		err = usageError{errors.New("there is no configuration directory; name a file with --config")}
	}
	if err != nil {
		return contextFile{}, "", err
	}
	contexts, err := readContexts(path)
	return contexts, path, err
}

// completeContexts offers the names of contexts to a shell.
func (t *terminal) completeContexts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	contexts, _, err := t.contexts(cmd)
	if err != nil || len(args) > 0 && cmd.Parent().Name() == "context" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return contexts.names(), cobra.ShellCompDirectiveNoFileComp
}

func (t *terminal) contextSetCommand() *cobra.Command {
	var given savedServer
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Make a context, or change what the flags name",
		Long: `Make a context, or change what the flags name. The first context that is made
is the one in use.

With --token-file the file keeps the token, and is read whenever a command
runs; so are the files of certificates. With --token the configuration file
keeps it; "-" reads it from standard input, where other users of this machine
cannot see it. An empty name of a file, as in --ca-file "", forgets it.`,
		Example: `  trivet context set prod --url https://kv.example.com --token-file ~/.trivet-token
  trivet token create laptop --scope 'shop=read' | trivet context set laptop --url https://kv.example.com --token -`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("token") && cmd.Flags().Changed("token-file") {
				return usageError{errors.New("--token and --token-file exclude each other")}
			}
			contexts, path, err := t.contexts(cmd)
			if err != nil {
				return err
			}
			server, err := t.changed(cmd, contexts.Contexts[args[0]], given)
			if err != nil {
				return err
			}
			if err := checkContext(args[0], server); err != nil {
				return err
			}
			if contexts.Contexts == nil {
				contexts.Contexts = make(map[string]savedServer)
			}
			contexts.Contexts[args[0]] = server
			if len(contexts.Contexts) == 1 {
				contexts.Current = args[0]
			}
			return contexts.write(path)
		},
	}
	cmd.Flags().StringVar(&given.URL, "url", "", "base URL of the server")
	cmd.Flags().StringVar(&given.TokenFile, "token-file", "", "file that holds the bearer token")
	cmd.Flags().StringVar(&given.CAFile, "ca-file", "", "PEM file of the authorities to trust instead of the machine's")
	cmd.Flags().StringVar(&given.CertFile, "cert", "", "PEM file of the certificate to show to the server")
	cmd.Flags().StringVar(&given.KeyFile, "key", "", "PEM file of its private key")
	cmd.Flags().StringVar(&given.Token, "token", "", "bearer token, to be kept in the configuration file; - reads standard input")
	return cmd
}

// changed gives a server with what the flags of set say put over it.
func (t *terminal) changed(cmd *cobra.Command, server, given savedServer) (savedServer, error) {
	if cmd.Flags().Changed("url") {
		server.URL = given.URL
	}
	for flag, file := range map[string]struct {
		given string
		saved *string
	}{
		"token-file": {given.TokenFile, &server.TokenFile},
		"ca-file":    {given.CAFile, &server.CAFile},
		"cert":       {given.CertFile, &server.CertFile},
		"key":        {given.KeyFile, &server.KeyFile},
	} {
		if !cmd.Flags().Changed(flag) {
			continue
		}
		if *file.saved = ""; file.given == "" {
			continue // forgotten
		}
		path, err := filepath.Abs(file.given)
		if err != nil {
			return server, err
		}
		*file.saved = path
	}
	if cmd.Flags().Changed("token-file") {
		server.Token = ""
	}
	if cmd.Flags().Changed("token") {
		server.Token, server.TokenFile = given.Token, ""
		if given.Token == "-" {
			line, err := bufio.NewReader(t.in).ReadString('\n')
			if server.Token = strings.TrimSpace(line); server.Token == "" {
				return server, usageError{fmt.Errorf("there is no token on standard input: %w", err)}
			}
		}
	}
	return server, nil
}

func checkContext(name string, server savedServer) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return kv.Invalid("name", "a context's name may have no spaces and no control characters")
	}
	if server.URL == "" {
		return usageError{errors.New("a new context needs --url")}
	}
	if (server.CertFile == "") != (server.KeyFile == "") {
		return usageError{errors.New("a certificate needs its key: give --cert and --key together")}
	}
	c, err := client.New(client.Options{URL: server.URL, Token: server.Token})
	if err == nil {
		c.Close()
	}
	return err
}

func (t *terminal) contextUseCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Choose the context that commands talk to from now on",
		Example:           `  trivet context use prod`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			contexts, path, err := t.contexts(cmd)
			if err != nil {
				return err
			}
			if contexts.Current, _, err = contexts.find(args[0], path); err != nil {
				return err
			}
			return contexts.write(path)
		},
	}
}

// contextShape is what is printed of a context: everything but its token.
type contextShape struct {
	Name      string `json:"name"`
	Current   bool   `json:"current"`
	URL       string `json:"url"`
	TokenFile string `json:"token_file,omitempty"`
	CAFile    string `json:"ca_file,omitempty"`
	CertFile  string `json:"cert_file,omitempty"`
	KeyFile   string `json:"key_file,omitempty"`
	HasToken  bool   `json:"has_token"`
}

func (f contextFile) shape(name string) contextShape {
	server := f.Contexts[name]
	return contextShape{
		Name: name, Current: name == f.Current, URL: server.URL,
		TokenFile: server.TokenFile, HasToken: server.Token != "" || server.TokenFile != "",
		CAFile: server.CAFile, CertFile: server.CertFile, KeyFile: server.KeyFile,
	}
}

// token says to people where the token is.
func (s contextShape) token() string {
	switch {
	case s.TokenFile != "":
		return "in " + s.TokenFile
	case s.HasToken:
		return "kept"
	default:
		return "none"
	}
}

func (t *terminal) contextListCommand() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the contexts; * marks the one in use",
		Example: `  trivet context list
  trivet context list -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			contexts, _, err := t.contexts(cmd)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, name := range contexts.names() {
				shape := contexts.shape(name)
				if !output.isText() {
					if err := output.element(t.out, shape); err != nil {
						return err
					}
					continue
				}
				mark := ""
				if shape.Current {
					mark = "*"
				}
				rows = append(rows, []string{mark, shape.Name, shape.URL, shape.token()})
			}
			if !output.isText() {
				return nil
			}
			return t.printTable([]string{"", "NAME", "URL", "TOKEN"}, rows)
		},
	}
	output.flag(cmd)
	return cmd
}

func (t *terminal) contextShowCommand() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "show [NAME]",
		Short: "Show a context, the one in use unless another is named",
		Example: `  trivet context show
  trivet context show prod -o yaml`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: t.completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			contexts, path, err := t.contexts(cmd)
			if err != nil {
				return err
			}
			name, _, err := contexts.find(strings.Join(args, ""), path)
			if err != nil {
				return err
			}
			shape := contexts.shape(name)
			if !output.isText() {
				return output.document(t.out, shape)
			}
			fields := [][2]string{{"name", shape.Name}, {"url", shape.URL}, {"token", shape.token()}}
			for _, file := range [][2]string{{"authorities", shape.CAFile}, {"certificate", shape.CertFile}, {"key", shape.KeyFile}} {
				if file[1] != "" {
					fields = append(fields, file)
				}
			}
			return t.printFields(append(fields, [2]string{"file", path}))
		},
	}
	output.flag(cmd)
	return cmd
}

func (t *terminal) contextDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "delete NAME",
		Aliases:           []string{"rm"},
		Short:             "Forget a context; nothing happens to its server",
		Example:           `  trivet context delete prod`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			contexts, path, err := t.contexts(cmd)
			if err != nil {
				return err
			}
			name, _, err := contexts.find(args[0], path)
			if err != nil {
				return err
			}
			delete(contexts.Contexts, name)
			if contexts.Current == name {
				contexts.Current = ""
			}
			return contexts.write(path)
		},
	}
}
