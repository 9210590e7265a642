package wire

import "github.com/trivetkv/trivet/pkg/kv"

// OperationState is what an asynchronous write has come to. The 202 that
// accepted it has ID and State alone.
type OperationState struct {
	ID      string         `json:"id"`
	State   kv.RecordState `json:"state"`
	Status  int            `json:"status,omitempty"` // what the call would have answered by itself
	Version kv.Version     `json:"version,omitempty"`
	Problem *Problem       `json:"problem,omitempty"`
}
