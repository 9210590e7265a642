package server

import (
	"fmt"
	"net/http"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// runBatch answers a batch. An operation that cannot be one is refused by
// itself, as the store refuses others, and takes no part in the call.
func runBatch(c *call) error {
	ns, err := c.namespace()
	if err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	shape, err := wire.DecodeBatch(body)
	if err != nil {
		return err
	}
	c.paceRest(ns, len(shape.Operations))
	results := make([]kv.Result, len(shape.Operations))
	ops := make([]kv.Operation, 0, len(shape.Operations))
	places := make([]int, 0, len(shape.Operations))
	for i, o := range shape.Operations {
		op, err := o.KV()
		if err == nil {
			err = c.checkValueSize(op)
		}
		if err == nil {
			err = c.authorizeOperation(ns, op)
		}
		if err != nil {
			results[i].Err = kv.AsError(err)
			continue
		}
		ops = append(ops, op)
		places = append(places, i)
	}
	// Which operations take part is what the request is to the store: a caller
	// who may do more than before repeats another request.
	id, err := c.identity(ns, fmt.Append(body, places))
	if err != nil {
		return err
	}
	c.startClock()
	applied, err := retryInProgress(c, func() ([]kv.Result, error) {
		return c.server.opts.Store.Batch(c, ns, ops, id)
	})
	if err != nil {
		return err
	}
	replayed := false
	for i, r := range applied {
		results[places[i]] = r
		replayed = replayed || r.Replayed
	}
	if replayed {
		c.markReplayed()
	}
	answer := wire.BatchResults{Results: make([]wire.Result, len(results))}
	writer := c.newResultWriter()
	for i, r := range results {
		answer.Results[i] = writer.result(r)
	}
	return c.sendJSON(http.StatusOK, answer)
}

// checkValueSize holds a value against the server's own limit, which may be
// lower than the store's.
func (c *call) checkValueSize(op kv.Operation) error {
	if int64(len(op.Value)) > c.server.opts.MaxValueBytes {
		e := *kv.AsError(tooLarge("the value", c.server.opts.MaxValueBytes))
		e.Field = "value"
		return &e
	}
	return nil
}
