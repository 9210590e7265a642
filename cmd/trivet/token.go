package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and revoke the tokens of applications",
		Long: `Make and revoke the tokens of applications, each for what its scopes grant. It
takes an administrator: the root token of the server, or a token with admin for
the namespace *.

` + connectionHelp + `

` + exitCodesHelp,
		Example: `  trivet token create shop-web --scope shop=read,write --ttl 720h
  trivet token list
  trivet token rotate "$id" --overlap 1h
  trivet token revoke "$id"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	conn := t.connectionFlags(cmd)
	cmd.AddCommand(
		t.tokenCreateCommand(conn), t.tokenListCommand(conn), t.tokenRotateCommand(conn), t.tokenRevokeCommand(conn),
	)
	return cmd
}

func (t *terminal) tokenCreateCommand(conn *connection) *cobra.Command {
	var (
		output format
		scopes scopeList
		ttl    time.Duration
	)
	cmd := &cobra.Command{
		Use:   "create NAME --scope NAMESPACE[:PREFIX]=ACCESS",
		Short: "Make a token and print its secret, once",
		Long: `Make a token and print its secret, once: the server keeps a digest of it only.
The secret is all that is on standard output; what else is known of the token
goes to standard error.

A scope names a namespace, in which * stands for any characters, a prefix of
keys where it is not for all, and what it grants: read, write and admin, with
commas between them. Admin changes a namespace's settings; on the namespace *
it makes tokens, too.`,
		Example: `  trivet token create shop-web --scope shop=read,write --ttl 720h
  trivet token create carts --scope shop:cart/=read,write --scope 'prices-*=read'
  trivet token create ops --scope '*=read,write,admin' > ops-token
  trivet token create ci --scope ci=read,write --ttl 2h -o json | jq -r .token`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(scopes) == 0 {
				return usageError{errors.New("a token needs --scope, such as --scope shop=read,write")}
			}
			if cmd.Flags().Changed("ttl") {
				if err := kv.CheckTTL("ttl", ttl); err != nil {
					return err
				}
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				token, err := c.CreateToken(ctx, args[0], scopes, ttl)
				if err != nil {
					return err
				}
				return t.printSecret(token, output)
			})
		},
	}
	cmd.Flags().Var(&scopes, "scope", "what the token grants; may be given more than once")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "time after which it expires, such as 720h (default: never)")
	output.flag(cmd)
	return cmd
}

// printSecret prints a token that was just made: its secret where it can be
// captured, the rest for whoever looks on.
func (t *terminal) printSecret(token wire.Token, output format) error {
	if !output.isText() {
		return output.document(t.out, token)
	}
	fmt.Fprintf(t.err, "id       %s\nname     %s\nscopes   %s\nexpires  %s\nThis is the only time that the token is shown:\n",
		token.ID, printable(token.Name), printable(scopeText(token.Scopes)), moment(token.ExpiresAt, "never"))
	_, err := fmt.Fprintln(t.out, token.Secret)
	return err
}

func (t *terminal) tokenListCommand(conn *connection) *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the tokens, the oldest first, without their secrets",
		Example: `  trivet token list
  trivet token list -o json | jq -r 'select(.last_used_at == null) | .id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				tokens, err := c.Tokens(ctx)
				if err != nil {
					return err
				}
				return t.printTokens(tokens, output)
			})
		},
	}
	output.flag(cmd)
	return cmd
}

func (t *terminal) printTokens(tokens []wire.Token, output format) error {
	var rows [][]string
	for _, token := range tokens {
		if !output.isText() {
			if err := output.element(t.out, token); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{
			token.ID, token.Name, scopeText(token.Scopes),
			moment(token.ExpiresAt, "never"), moment(token.LastUsedAt, "never"),
		})
	}
	if !output.isText() {
		return nil
	}
	return t.printTable([]string{"ID", "NAME", "SCOPES", "EXPIRES", "LAST USED"}, rows)
}

func (t *terminal) tokenRotateCommand(conn *connection) *cobra.Command {
	var (
		output  format
		overlap time.Duration
	)
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give a token a new secret and print it, once",
		Long: `Give a token a new secret and print it, once, as create does. The former
secret stays good for --overlap: time to hand out the new one. Without it, the
former secret is refused at once.`,
		Example:           `  trivet token rotate "$id" --overlap 1h > shop-web-token`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				token, err := c.RotateToken(ctx, args[0], overlap)
				if err != nil {
					return err
				}
				return t.printSecret(token, output)
			})
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "time for which the former secret stays good, such as 1h (default: none)")
	output.flag(cmd)
	return cmd
}

func (t *terminal) tokenRevokeCommand(conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:               "revoke ID",
		Short:             "End a token, everywhere within five seconds",
		Long:              `End a token, everywhere within five seconds; streams that it opened end, too.`,
		Example:           `  trivet token revoke "$id"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				return c.RevokeToken(ctx, args[0])
			})
		},
	}
}

// scopeList is the value of --scope: NAMESPACE[:PREFIX]=ACCESS[,ACCESS].
type scopeList []auth.Scope

// String gives the scopes as they are written.
func (l *scopeList) String() string { return scopeText(*l) }

// Set reads one more scope. A prefix may have any character, an equals sign
// too; a namespace and what is granted have none of those between them.
func (l *scopeList) Set(text string) error {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return errors.New("it has to be NAMESPACE[:PREFIX]=ACCESS, such as shop:cart/=read,write")
	}
	scope := auth.Scope{}
	scope.Namespace, scope.Prefix, _ = strings.Cut(text[:at], ":")
	for access := range strings.SplitSeq(text[at+1:], ",") {
		scope.Access = append(scope.Access, auth.Access(access))
	}
	if err := auth.CheckScopes([]auth.Scope{scope}); err != nil {
		return errors.New(kv.AsError(err).Detail)
	}
	*l = append(*l, scope)
	return nil
}

// Type is what the help shows for the flag's value.
func (l *scopeList) Type() string { return "SCOPE" }

// scopeText gives scopes as they are written for --scope.
func scopeText(scopes []auth.Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		access := make([]string, len(s.Access))
		for j, a := range s.Access {
			access[j] = string(a)
		}
		texts[i] = s.Namespace
		if s.Prefix != "" {
			texts[i] += ":" + s.Prefix
		}
		texts[i] += "=" + strings.Join(access, ",")
	}
	return strings.Join(texts, " ")
}
