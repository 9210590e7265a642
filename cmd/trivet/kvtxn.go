package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func (t *terminal) txnCommand(conn *connection) *cobra.Command {
	var (
		output format
		file   string
	)
	cmd := &cobra.Command{
		Use:   "txn NAMESPACE",
		Short: "Run a transaction, all of it or nothing",
		Long: `Run a transaction, all of it or nothing: when every compare holds, the
operations of success are run, else those of failure. It is a JSON document, as
the API takes it, in --file or on standard input. Values are base64.

  {"compare": [{"key": "stock", "target": "exists", "is": "eq", "exists": true}],
   "success": [{"op": "increment", "key": "stock", "by": -1},
               {"op": "put", "key": "order/7", "value": "YXBwbGU="}],
   "failure": [{"op": "get", "key": "sold-out"}]}

A compare has a target (version, value or exists), how that is held against
the operand of the same name (is: eq, ne, gt or lt), and the operand. The exit
code is 4 when failure was run.`,
		Example: `  trivet kv txn shop --file order.json
  echo '{"success": [{"op": "delete", "key": "a"}, {"op": "delete", "key": "b"}]}' | trivet kv txn shop
  trivet kv txn shop --file order.json -o json | jq .succeeded`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := t.content(file, "there is no transaction: give it with --file, or through a pipe")
			if err != nil {
				return err
			}
			txn, err := wire.DecodeTxn(document)
			if err != nil {
				return err
			}
			return t.request(cmd, conn, func(ctx context.Context, c *client.Client) error {
				result, err := c.Txn(ctx, args[0], txn, kv.Identity{})
				if err != nil {
					return err
				}
				if err := t.printTxn(result, output); err != nil {
					return err
				}
				if !result.Succeeded {
					return errNotSucceeded
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "read the transaction from a file")
	output.flag(cmd)
	return cmd
}

// errNotSucceeded makes the exit code say which branch was run.
var errNotSucceeded = &kv.Error{Code: kv.CodeVersionMismatch, Detail: "a compare did not hold, so failure was run"}

func (t *terminal) printTxn(result kv.TxnResult, output format) error {
	if !output.isText() {
		shape := txnShape{result.Succeeded, make([]resultShape, len(result.Results))}
		for i, r := range result.Results {
			shape.Results[i] = shapeOf(r)
		}
		return output.document(t.out, shape)
	}
	rows := make([][]string, len(result.Results))
	for i, r := range result.Results {
		rows[i] = []string{r.Kind.String(), r.Key, strconv.FormatInt(int64(r.Version), 10), resultText(r)}
	}
	return t.printTable([]string{"OP", "KEY", "VERSION", "VALUE"}, rows)
}

// resultText shows what an operation came to, beside its version.
func resultText(r kv.Result) string {
	switch {
	case r.Err != nil:
		return "(" + string(r.Err.Code) + ")"
	case r.Kind == kv.KindIncrement:
		return strconv.FormatInt(r.Number, 10)
	case r.Kind == kv.KindGet && r.Entry != nil:
		return string(r.Entry.Value)
	default:
		return ""
	}
}

// txnShape is a transaction's answer as the API gives it, but for what of a
// problem only HTTP needs.
type txnShape struct {
	Succeeded bool          `json:"succeeded"`
	Results   []resultShape `json:"results"`
}

type resultShape struct {
	wire.Result
	Problem *problemShape `json:"problem,omitempty"`
}

type problemShape struct {
	Code   kv.Code `json:"code"`
	Detail string  `json:"detail"`
}

func shapeOf(r kv.Result) resultShape {
	switch {
	case r.Err != nil && r.Err.Code == kv.CodeNotFound:
		return refused(r.Err, http.StatusNotFound)
	case r.Err != nil:
		return refused(r.Err, http.StatusConflict)
	case r.Kind == kv.KindDelete:
		return resultShape{Result: wire.FromResult(r, http.StatusNoContent)}
	case r.Created:
		return resultShape{Result: wire.FromResult(r, http.StatusCreated)}
	default:
		return resultShape{Result: wire.FromResult(r, http.StatusOK)}
	}
}

func refused(err *kv.Error, status int) resultShape {
	return resultShape{Result: wire.Result{Status: status}, Problem: &problemShape{err.Code, err.Detail}}
}
