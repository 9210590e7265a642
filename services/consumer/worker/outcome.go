package worker

import "github.com/trivetkv/trivet/pkg/kv"

// outcome is what an answer of the store means for an asynchronous write.
type outcome uint8

const (
	applied   outcome = iota
	refused           // the store has recorded why, for whoever asks for the operation
	transient         // the same write may succeed later: the store is down, full, or too busy
	unusable          // it can never be applied, and the store has recorded nothing
)

// classify never takes a failure of the store for one of the write: what was
// accepted waits for as long as it takes.
func classify(err error) outcome {
	switch kv.CodeOf(err) {
	case "":
		return applied
	case kv.CodeInternal, kv.CodeUnavailable, kv.CodeOverloaded, kv.CodeTimeout,
		kv.CodeRateLimited, kv.CodeIdempotencyInProgress:
		return transient
	case kv.CodeIdempotencyMismatch:
		return unusable
	}
	return refused
}
