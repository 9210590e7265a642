package client

import (
	"context"
	"net/http"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// post sends a document and reads the one that answers it. An identity makes
// the call safe to repeat.
func (c *Client) post(ctx context.Context, at path, document any, id kv.Identity, answer any) (http.Header, error) {
	body, err := wire.Marshal(document)
	if err != nil {
		return nil, kv.AsError(err)
	}
	header := http.Header{"Content-Type": {wire.ContentType}}
	c.identify(header, id)
	_, got, err := c.callJSON(ctx, request{method: http.MethodPost, path: at, header: header, body: body}, answer)
	return got, err
}

// Batch runs operations in the order given, with one result each. It is not
// atomic. A call that failed may have run some of them; with retries they run
// once each.
func (c *Client) Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) ([]kv.Result, error) {
	if err := kv.CheckNamespace(ns); err != nil {
		return nil, err
	}
	batch := wire.Batch{Operations: make([]wire.Operation, len(ops))}
	for i, op := range ops {
		shape, err := wire.FromOperation(op)
		if err != nil {
			return nil, err
		}
		batch.Operations[i] = shape
	}
	var answer wire.BatchResults
	if _, err := c.post(ctx, fixed("v1", "batch", ns), batch, id, &answer); err != nil {
		return nil, err
	}
	return resultsOf(ops, answer.Results)
}

// Txn runs a transaction: all of a branch, or nothing.
func (c *Client) Txn(ctx context.Context, ns string, txn kv.Txn, id kv.Identity) (kv.TxnResult, error) {
	if err := kv.CheckNamespace(ns); err != nil {
		return kv.TxnResult{}, err
	}
	shape, err := wire.FromTxn(txn)
	if err != nil {
		return kv.TxnResult{}, err
	}
	var answer wire.TxnResults
	header, err := c.post(ctx, fixed("v1", "txn", ns), shape, id, &answer)
	if err != nil {
		return kv.TxnResult{}, err
	}
	ops := txn.Failure
	if answer.Succeeded {
		ops = txn.Success
	}
	results, err := resultsOf(ops, answer.Results)
	return kv.TxnResult{Succeeded: answer.Succeeded, Results: results, Replayed: isReplay(header)}, err
}

func resultsOf(ops []kv.Operation, shapes []wire.Result) ([]kv.Result, error) {
	if len(shapes) != len(ops) {
		return nil, kv.Errorf(kv.CodeInternal, "the answer has %d results for %d operations", len(shapes), len(ops))
	}
	results := make([]kv.Result, len(ops))
	for i, shape := range shapes {
		var err error
		if results[i], err = shape.KV(ops[i].Kind, ops[i].Key); err != nil {
			return nil, err
		}
	}
	return results, nil
}
