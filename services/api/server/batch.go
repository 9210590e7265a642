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
	values := c.newValueBudget()
	ran, err := c.runInOrder(ns, ops, id, values)
	if err != nil {
		return err
	}
	for i, r := range ran {
		results[places[i]] = r
		if r.Replayed {
			c.markReplayed()
		}
	}
	answer := wire.BatchResults{Results: make([]wire.Result, len(results))}
	for i, r := range results {
		answer.Results[i] = c.result(r)
	}
	return c.sendJSON(http.StatusOK, answer)
}

// runInOrder runs operations one after another: writes that follow each other
// in one call of the store, which commits them together, and each get by
// itself. A get within a call that writes would be read by whoever commits for
// all, whatever its size.
func (c *call) runInOrder(ns string, ops []kv.Operation, id kv.Identity, values *valueBudget) ([]kv.Result, error) {
	if !id.ID.IsZero() && (len(ops) == 0 || !ops[0].Kind.Writes()) {
		// Nothing else claims the key before something is read.
		if err := c.runWrites(ns, nil, id, nil); err != nil {
			return nil, err
		}
	}
	results := make([]kv.Result, len(ops))
	for start := 0; start < len(ops); {
		if !ops[start].Kind.Writes() {
			results[start] = c.getWithin(values, ns, ops[start].Key)
			start++
			continue
		}
		end := start + 1
		for end < len(ops) && ops[end].Kind.Writes() {
			end++
		}
		part := id
		if start > 0 {
			// Each part is a batch of its own to the store. The ids of the first
			// one's items end at MaxBatchOperations.
			part.ID = id.ID.Item(kv.MaxBatchOperations + start)
		}
		if err := c.runWrites(ns, ops[start:end], part, results[start:end]); err != nil {
			return nil, err
		}
		start = end
	}
	return results, nil
}

func (c *call) runWrites(ns string, ops []kv.Operation, id kv.Identity, results []kv.Result) error {
	written, err := retryInProgress(c, func() ([]kv.Result, error) {
		return c.server.opts.Store.Batch(c, ns, ops, id)
	})
	copy(results, written)
	return err
}

func (c *call) getWithin(values *valueBudget, ns, key string) kv.Result {
	r := kv.Result{Kind: kv.KindGet, Key: key}
	if values.spent() {
		r.Err = values.refusal()
		return r
	}
	entry, err := c.server.opts.Store.Get(c, ns, key, kv.ReadOptions{})
	r.Version = entry.Version
	if err != nil {
		r.Err = kv.AsError(err)
		return r
	}
	r.Entry = &entry
	values.take(&r)
	return r
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
