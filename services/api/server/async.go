package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// accept queues a write and answers 202 once the broker has confirmed it.
func (c *call) accept(ns string, op kv.Operation, id kv.Identity) error {
	now := c.server.opts.Now()
	id.Deferred = true
	state := kv.RecordPending
	if id.ID.IsZero() {
		id.ID = kv.NewWriteID(now)
	} else {
		// The claim makes the id known before the write is applied, and finds
		// an earlier request under the same key.
		record, err := c.server.opts.Store.Claim(c, ns, id)
		if err != nil {
			return err
		}
		if state = record.State; state != kv.RecordPending {
			c.markReplayed()
		}
	}
	if state == kv.RecordPending {
		// A repeated request queues its write again, under the same id: the
		// first one may never have reached the broker.
		write := deferred.Write{Namespace: ns, Operation: op, Identity: id, AcceptedAt: now}
		err := c.server.opts.Broker.Publish(c, broker.Message{
			ID:   id.ID.String(),
			Key:  ns + "\x00" + op.Key,
			Body: write.Encode(),
		})
		if err != nil {
			return brokerError(err)
		}
	}
	c.setText("Location", "/v1/operations/"+id.ID.String())
	c.setText("Preference-Applied", "respond-async")
	return c.sendJSON(http.StatusAccepted, wire.OperationState{ID: id.ID.String(), State: state})
}

// brokerError tells why a write was not accepted.
func brokerError(err error) error {
	e := kv.AsError(err)
	switch {
	case e.Code != kv.CodeInternal:
		return e // the request has ended
	case errors.Is(err, broker.ErrFull):
		return &kv.Error{
			Code:       kv.CodeOverloaded,
			Detail:     "as many writes are queued as the broker keeps; try again, or write without respond-async",
			RetryAfter: time.Second,
			Cause:      err,
		}
	}
	return &kv.Error{Code: kv.CodeUnavailable, Detail: "the write could not be queued; try again", RetryAfter: time.Second, Cause: err}
}

// getOperation answers the state of an asynchronous write.
func getOperation(c *call) error {
	id, err := kv.ParseWriteID(c.params.ByName("id"))
	if err != nil {
		return err
	}
	record, err := c.server.opts.Store.Record(c, id)
	if err == nil && !c.maySeeOperation(record) {
		err = kv.ErrNotFound // and is answered like one that was never made
	}
	switch {
	case err == nil:
		return c.sendJSON(http.StatusOK, c.operationState(record))
	case kv.CodeOf(err) == kv.CodeNotFound && c.mayBePending(id):
		return c.sendJSON(http.StatusOK, wire.OperationState{ID: id.String(), State: kv.RecordPending})
	case kv.CodeOf(err) == kv.CodeNotFound:
		return errNoOperation
	}
	return err
}

var errNoOperation = kv.Errorf(kv.CodeNotFound, "there is no such operation, or it is older than %s", wire.Duration(kv.RecordRetention))

// clockSkew is how far ahead another process's clock may be.
const clockSkew = time.Minute

// mayBePending tells an id that was given out, and whose write has left no
// record yet, from one that was made up or is forgotten.
func (c *call) mayBePending(id kv.WriteID) bool {
	issued, ok := id.IssuedAt()
	if !ok {
		return false
	}
	age := c.server.opts.Now().Sub(issued)
	return age > -clockSkew && age < kv.RecordRetention
}

func (c *call) operationState(record kv.Record) wire.OperationState {
	state := wire.OperationState{ID: record.ID.String(), State: record.State}
	switch record.State {
	case kv.RecordPending:
	case kv.RecordApplied:
		state.Status = singleStatus(record.Result)
		state.Version = record.Result.Version
	case kv.RecordRejected:
		refusal := record.Result.Err
		if refusal == nil {
			refusal = kv.Errorf(kv.CodeInternal, "the write was refused, and no reason was kept")
		}
		problem := Problem(c, refusal)
		state.Status = problem.Status
		state.Problem = &problem
	}
	return state
}
