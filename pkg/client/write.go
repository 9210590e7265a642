package client

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Apply runs one write: a put, a delete, an increment or a restore. An
// identity that is not zero makes it safe to repeat. Result.Entry is nil.
func (c *Client) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	if err := kv.CheckNamespace(ns); err != nil {
		return kv.Result{}, err
	}
	if err := op.Check(); err != nil {
		return kv.Result{}, err
	}
	header, err := writeHeader(op)
	if err != nil {
		return kv.Result{}, err
	}
	c.identify(header, id)
	r := request{path: fixed("v1", "kv", ns).ofKey(op.Key), header: header}
	switch op.Kind {
	case kv.KindPut:
		r.method, r.body = http.MethodPut, op.Value
	case kv.KindDelete:
		r.method = http.MethodDelete
	case kv.KindIncrement:
		return c.increment(ctx, op, r)
	case kv.KindRestore:
		return c.restore(ctx, ns, op, r)
	default:
		return kv.Result{}, kv.Invalid("op", "the operation is none that writes")
	}
	status, answer, _, err := c.call(ctx, r)
	return resultOf(op, status, answer, err)
}

func (c *Client) increment(ctx context.Context, op kv.Operation, r request) (kv.Result, error) {
	body, err := wire.Marshal(wire.Increment{By: op.By})
	if err != nil {
		return kv.Result{}, err
	}
	r.method, r.path, r.body = http.MethodPost, r.path.then("increment"), body
	r.header.Set("Content-Type", wire.ContentType)
	var answer wire.IncrementResult
	status, header, err := c.callJSON(ctx, r, &answer)
	result, err := resultOf(op, status, header, err)
	result.Number = answer.Value
	return result, err
}

func (c *Client) restore(ctx context.Context, ns string, op kv.Operation, r request) (kv.Result, error) {
	body, err := wire.Marshal(wire.Restore{Version: op.Restore})
	if err != nil {
		return kv.Result{}, err
	}
	r.method, r.path, r.body = http.MethodPost, fixed("v1", "history", ns).ofKey(op.Key).then("restore"), body
	r.header.Set("Content-Type", wire.ContentType)
	status, header, _, err := c.call(ctx, r)
	return resultOf(op, status, header, err)
}

func resultOf(op kv.Operation, status int, header http.Header, err error) (kv.Result, error) {
	result := kv.Result{Kind: op.Kind, Key: op.Key}
	if err != nil {
		return result, err
	}
	result.Version = versionOf(header)
	result.Created = status == http.StatusCreated
	result.Replayed = isReplay(header)
	return result, nil
}

func isReplay(header http.Header) bool { return header.Get("Idempotency-Replayed") == "true" }

// identify gives a write an idempotency key: that of its identity or, when it
// may be sent more than once, a new one.
func (c *Client) identify(header http.Header, id kv.Identity) {
	if id.ID.IsZero() && c.retry.Attempts > 1 {
		id.ID = kv.NewWriteID(time.Now())
	}
	if !id.ID.IsZero() {
		header.Set("Idempotency-Key", id.ID.String())
	}
}

// writeHeader says in HTTP's words what guards and describes a write.
func writeHeader(op kv.Operation) (http.Header, error) {
	header := http.Header{}
	if op.If.Absent {
		header.Set("If-None-Match", "*")
	}
	switch {
	case op.If.Exists && op.If.Versions != nil, len(op.If.Versions) == 0 && op.If.Versions != nil,
		slices.Contains(op.If.Versions, 0):
		return nil, kv.Invalid("if", "HTTP has no form for this condition")
	case op.If.Exists:
		header.Set("If-Match", "*")
	case op.If.Versions != nil:
		tags := make([]string, len(op.If.Versions))
		for i, v := range op.If.Versions {
			tags[i] = `"` + strconv.FormatInt(int64(v), 10) + `"`
		}
		header.Set("If-Match", strings.Join(tags, ", "))
	}
	if op.ContentType != "" {
		header.Set("Content-Type", op.ContentType)
	}
	if op.TTL != 0 {
		header.Set("Trivet-TTL", op.TTL.String())
	}
	for name, value := range op.Meta {
		header.Set("Trivet-Meta-"+name, value)
	}
	return header, nil
}
