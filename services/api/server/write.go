package server

import (
	"context"
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// putValue answers PUT of a key.
func putValue(c *call) error {
	ns, op, err := c.writeTarget(kv.KindPut)
	if err != nil {
		return err
	}
	if err := request.PutHeaders(c.r.Header, &op); err != nil {
		return err
	}
	if op.Value, err = c.readBody("the value", c.server.opts.MaxValueBytes); err != nil {
		return err
	}
	return c.apply(ns, op, op.Value, func(r kv.Result) error {
		return c.sendEmpty(singleStatus(r))
	})
}

// deleteValue answers DELETE of a key.
func deleteValue(c *call) error {
	ns, op, err := c.writeTarget(kv.KindDelete)
	if err != nil {
		return err
	}
	return c.apply(ns, op, nil, func(r kv.Result) error {
		return c.sendEmpty(singleStatus(r))
	})
}

// incrementValue answers POST of a key's increment.
func incrementValue(c *call) error {
	if err := c.wantSuffix(); err != nil {
		return err
	}
	ns, op, err := c.writeTarget(kv.KindIncrement)
	if err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	shape, err := wire.DecodeIncrement(body)
	if err != nil {
		return err
	}
	op.By = shape.By
	return c.apply(ns, op, body, func(r kv.Result) error {
		return c.sendJSON(singleStatus(r), wire.IncrementResult{Value: r.Number, Version: r.Version})
	})
}

// restoreVersion answers POST of a key's restore.
func restoreVersion(c *call) error {
	if err := c.wantSuffix(); err != nil {
		return err
	}
	ns, op, err := c.writeTarget(kv.KindRestore)
	if err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	shape, err := wire.DecodeRestore(body)
	if err != nil {
		return err
	}
	op.Restore = shape.Version
	return c.apply(ns, op, body, func(r kv.Result) error {
		return c.sendEmpty(singleStatus(r))
	})
}

// singleStatus is what the call of one operation answers when it is not
// refused, in a batch or by itself.
func singleStatus(r kv.Result) int {
	switch {
	case r.Kind == kv.KindDelete:
		return http.StatusNoContent
	case r.Created && (r.Kind == kv.KindPut || r.Kind == kv.KindRestore):
		return http.StatusCreated
	default:
		return http.StatusOK
	}
}

// wantSuffix refuses a POST of a key without the action that it stands for.
func (c *call) wantSuffix() error {
	if c.route.matches(c.path) {
		return nil
	}
	return c.methodNotAllowed(allowed(c.server.routes, c.path))
}

// writeTarget reads what every write of one key has, before its body: where,
// whether the caller may, and under which condition.
func (c *call) writeTarget(kind kv.Kind) (ns string, op kv.Operation, err error) {
	op.Kind = kind
	if ns, op.Key, err = c.target(); err != nil {
		return "", op, err
	}
	if err = c.authorizeOperation(ns, op); err != nil {
		return "", op, err
	}
	op.If, err = request.WriteCondition(c.r.Header)
	return ns, op, err
}

// apply makes a write and answers it with respond; or accepts it, when the
// client prefers that.
func (c *call) apply(ns string, op kv.Operation, body []byte, respond func(kv.Result) error) error {
	id, err := c.identity(ns, body)
	if err != nil {
		return err
	}
	c.startClock()
	if c.server.opts.Broker != nil && request.Prefers(c.r.Header["Prefer"], "respond-async") {
		return c.accept(ns, op, id)
	}
	result, err := retryInProgress(c, func() (kv.Result, error) {
		return c.server.opts.Store.Apply(c, ns, op, id)
	})
	if err != nil {
		return err
	}
	c.setText("Etag", request.EntityTag(result.Version))
	if result.Entry != nil && !result.Entry.ExpiresAt.IsZero() {
		c.setText("Trivet-Expires-At", result.Entry.ExpiresAt.UTC().Format(wire.TimeFormat))
	}
	if result.Replayed {
		c.markReplayed()
	}
	return respond(result)
}

var headerTrue = []string{"true"}

func (c *call) markReplayed() { c.set("Idempotency-Replayed", headerTrue) }

const (
	firstRetry = 5 * time.Millisecond
	lastRetry  = 200 * time.Millisecond
)

// retryInProgress makes a write whose earlier request under the same key is
// still being worked on wait for it, as long as the request may take.
func retryInProgress[T any](ctx context.Context, write func() (T, error)) (T, error) {
	var inProgress error
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		result, err := write()
		switch {
		case err == nil:
			return result, nil
		case kv.CodeOf(err) == kv.CodeIdempotencyInProgress:
			inProgress = err
		case inProgress != nil && ctx.Err() != nil:
			return result, inProgress // the store had no time to look again
		default:
			return result, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result, inProgress
		}
	}
}
