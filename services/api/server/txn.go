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
	if err := c.authorizeTxn(ns, txn); err != nil {
		return err
	}
	c.paceRest(ns, max(len(txn.Success), len(txn.Failure)))
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
	return eachOperation(txn, func(place string, op kv.Operation) error {
		if err := c.checkValueSize(op); err != nil {
			return at(place+"."+kv.AsError(err).Field, err)
		}
		return nil
	})
}

// eachOperation goes through the operations of both branches, in their order,
// until one is refused. A place is how a problem's field names it.
func eachOperation(txn kv.Txn, check func(place string, op kv.Operation) error) error {
	for i, op := range txn.Success {
		if err := check(fmt.Sprintf("success[%d]", i), op); err != nil {
			return err
		}
	}
	for i, op := range txn.Failure {
		if err := check(fmt.Sprintf("failure[%d]", i), op); err != nil {
			return err
		}
	}
	return nil
}
