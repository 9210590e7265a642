package kv

import "context"

// PutGrouper is a [Store] that commits puts of many callers at once, and lets
// steps be made around each such commit for all of them together.
type PutGrouper interface {
	// Bracket has steps made around every commit of a group, in place of those it
	// was given before. It is called before the first write.
	Bracket(around Bracket)

	// PutGrouped is Apply for what may be committed in a group: puts without
	// condition that nobody names. Of anything else it does nothing, and tells
	// that it was not grouped.
	PutGrouped(ctx context.Context, ns string, op Operation, id Identity) (res Result, grouped bool, err error)
}

// Bracket makes steps around a commit of puts, each of another key. It calls
// commit once, which sets the Result or the Err of each put; or not at all, and
// then sets each Err itself. What stands in Err when it returns is answered.
type Bracket func(puts []*GroupedPut, commit func())

// GroupedPut is one put of a group.
type GroupedPut struct {
	Namespace string
	Op        *Operation
	Result    Result
	Err       error
}
