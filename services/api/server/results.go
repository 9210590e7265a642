package server

import (
	"encoding/base64"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// resultWriter makes the shapes of the results of one batch or transaction,
// and bounds the values that they carry.
type resultWriter struct {
	call *call
	left int64 // bytes of values
}

func (c *call) newResultWriter() *resultWriter {
	return &resultWriter{call: c, left: c.server.opts.MaxResultBytes}
}

func (w *resultWriter) result(r kv.Result) wire.Result {
	if r.Err != nil {
		return w.refused(r.Err)
	}
	if r.Kind == kv.KindGet && r.Entry != nil {
		if w.left -= int64(len(r.Entry.Value)); w.left < 0 {
			w.left = 0
			return w.refused(&kv.Error{
				Code:   kv.CodeTooLarge,
				Field:  "value",
				Detail: "the values of one answer are larger than " + sizeText(w.call.server.opts.MaxResultBytes) + "; get this key by itself",
			})
		}
		if err := w.call.hold(int64(base64.StdEncoding.EncodedLen(len(r.Entry.Value)))); err != nil {
			return w.refused(kv.AsError(err)) // this get alone: others may have written
		}
	}
	return wire.FromResult(r, singleStatus(r))
}

func (w *resultWriter) refused(err *kv.Error) wire.Result {
	problem := Problem(w.call, err)
	return wire.Result{Status: problem.Status, Problem: &problem}
}
