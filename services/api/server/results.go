package server

import (
	"encoding/base64"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// valueBudget bounds the values that the gets of one batch or transaction
// answer together.
type valueBudget struct {
	call         *call
	limit, taken int64
}

func (c *call) newValueBudget() *valueBudget {
	return &valueBudget{call: c, limit: c.server.opts.MaxResultBytes}
}

func (b *valueBudget) spent() bool { return b.taken >= b.limit }

// take counts the value of a get, and refuses the get when it was too much.
func (b *valueBudget) take(r *kv.Result) {
	if r.Kind != kv.KindGet || r.Entry == nil {
		return
	}
	if b.taken += int64(len(r.Entry.Value)); b.taken > b.limit {
		r.Entry, r.Err = nil, b.refusal()
		return
	}
	if err := b.call.hold(int64(base64.StdEncoding.EncodedLen(len(r.Entry.Value)))); err != nil {
		r.Entry, r.Err = nil, kv.AsError(err) // this get alone: others may have written
	}
}

func (b *valueBudget) refusal() *kv.Error {
	return &kv.Error{
		Code:   kv.CodeTooLarge,
		Field:  "value",
		Detail: "the values of one answer are larger than " + sizeText(b.limit) + "; get this key by itself",
	}
}

// result makes the shape of an outcome.
func (c *call) result(r kv.Result) wire.Result {
	if r.Err != nil {
		problem := Problem(c, r.Err)
		return wire.Result{Status: problem.Status, Problem: &problem}
	}
	return wire.FromResult(r, singleStatus(r))
}
