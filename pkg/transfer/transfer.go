// Package transfer moves a namespace's keys into files and back.
//
// An export into a file and an import from one survive the end of their
// process: beside the file is a checkpoint, FILE.progress, with which the same
// command goes on where it was. An import that goes on repeats the writes that
// were under way under their former identities, so that each is made once.
package transfer

import (
	"context"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Source is what an export reads from.
type Source interface {
	List(ctx context.Context, ns string, q kv.ListQuery) (kv.ListPage, error)
}

// Target is what an import writes to.
type Target interface {
	Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error)
	Batch(ctx context.Context, ns string, ops []kv.Operation, id kv.Identity) ([]kv.Result, error)
}

// Format is how entries are written.
type Format string

// Formats. JSON lines are entries as the API shows them; CSV has a header and
// the same fields as columns.
const (
	JSONLines Format = "jsonl"
	CSV       Format = "csv"
)

// Conflict says what an import does with a key that exists.
type Conflict string

// What to do with a key that exists.
const (
	Overwrite Conflict = "overwrite"
	Skip      Conflict = "skip"
	Fail      Conflict = "fail"
)

// ProgressSuffix is what the name of a checkpoint has behind the name of its
// file.
const ProgressSuffix = ".progress"

// LineError is a failure that belongs to a line of an input.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string {
	cause := kv.AsError(e.Err)
	text := cause.Detail
	if cause.Field != "" {
		text = cause.Field + ": " + text
	}
	if cause.Code == kv.CodeInternal && cause.Cause != nil {
		text = cause.Cause.Error()
	}
	return fmt.Sprintf("line %d: %s (%s)", e.Line, text, cause.Code)
}

func (e *LineError) Unwrap() error { return e.Err }

// limited bounds one request; 0 does not.
func limited(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}
