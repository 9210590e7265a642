package server

import (
	"fmt"
	"net/http"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// runTxn answers a transaction.
func runTxn(c *call) error {
	ns, err := c.namespace()
	if err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	txn, err := wire.DecodeTxn(body)
	if err != nil {
		return err
	}
	if err := c.checkBranchSizes(txn); err != nil {
		return err
	}
	id, err := c.identity(ns, body)
	if err != nil {
		return err
	}
	c.startClock()
	result, err := retryInProgress(c, func() (kv.TxnResult, error) {
		return c.server.opts.Store.Txn(c, ns, txn, id)
	})
	if err != nil {
		return err
	}
	if result.Replayed {
		c.markReplayed()
	}
	answer := wire.TxnResults{Succeeded: result.Succeeded, Results: make([]wire.Result, len(result.Results))}
	values := c.newValueBudget()
	for i, r := range result.Results {
		values.take(&r)
		answer.Results[i] = c.result(r)
	}
	return c.sendJSON(http.StatusOK, answer)
}

func (c *call) checkBranchSizes(txn kv.Txn) error {
	for name, branch := range map[string][]kv.Operation{"success": txn.Success, "failure": txn.Failure} {
		for i, op := range branch {
			if err := c.checkValueSize(op); err != nil {
				e := *kv.AsError(err)
				e.Field = fmt.Sprintf("%s[%d].%s", name, i, e.Field)
				return &e
			}
		}
	}
	return nil
}
