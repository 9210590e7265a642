package main

import (
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// call is the API's call that a request makes.
type call uint8

const (
	single call = iota // PUT, DELETE or increment of one key
	batch
	txn
)

// outcome is what is known of a write.
type outcome uint8

const (
	unknown  outcome = iota // no answer came: it may have been made or not
	applied                 // acknowledged: it has been made, once
	accepted                // 202: it will be made, once
	refused                 // it has not been made
)

// request is one request of a worker, with all the writes it makes. It keeps
// its idempotency key, so that repeating it is repeating the same request.
type request struct {
	ns             string
	call           call
	async          bool   // asks for 202
	impossible     bool   // a transaction whose compare is false
	idempotencyKey string // empty: an unknown outcome stays unknown
	writes         []*write

	answered  bool
	answer    string // what a repetition has to answer again: status, versions, operation
	operation string // path of an accepted request's state

	// The request took effect within this time, measured from the start of the
	// run. A request without an answer ends with the server.
	start, end time.Duration
}

// repeatable tells whether sending the request again is sure to change
// nothing: refused parts of a batch would run again.
func (r *request) repeatable() bool {
	if r.idempotencyKey == "" || !r.answered || r.impossible {
		return false
	}
	for _, w := range r.writes {
		if w.outcome == refused {
			return false
		}
	}
	return true
}

// write is what a request does to one key.
type write struct {
	request *request
	worker  int
	seq     int // in the order in which the worker began its writes
	kind    kv.Kind
	key     string
	value   []byte      // of a put; begins with a token that no other write has
	by      int64       // of an increment; no other write has it
	guard   *kv.Version // the version that the key has to have, 0 for none

	outcome outcome
	version kv.Version // answered
	number  int64      // an increment's answer
	created bool       // answered 201
	settled bool       // unknown, and now known not to have been made

	position kv.Position // of its change, 0 while none was seen
}

// token is the part of a value that names its write.
func token(value []byte) string {
	for i, c := range value {
		if c == '|' {
			return string(value[:i])
		}
	}
	return ""
}

func (w *write) String() string {
	return fmt.Sprintf("%s %d of worker %d (begun at %v, ended at %v, answered %q)", w.kind, w.seq, w.worker, w.request.start, w.request.end, w.request.answer)
}
