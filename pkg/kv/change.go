package kv

import "time"

// ChangeKind is what happened to a key.
type ChangeKind string

// Kinds of change. A put that finds its key expired is logged as an expire,
// then a put.
const (
	ChangePut    ChangeKind = "put"
	ChangeDelete ChangeKind = "delete"
	ChangeExpire ChangeKind = "expire"
)

// Change is one row of the change log.
type Change struct {
	Position    Position
	Kind        ChangeKind
	Key         string
	Version     Version
	Value       []byte // of a put, when asked for and not larger than MaxChangeValueBytes
	Truncated   bool   // the value was left out for its size
	ContentType string
	At          time.Time
}

// ChangeQuery asks for changes of a namespace after a position.
type ChangeQuery struct {
	Prefix string
	After  Position
	Limit  int
	Values bool

	// Following asks only for what has a position already, for those who go on
	// asking: an acknowledged change may come with a later page.
	Following bool
}

// ChangePage holds changes in the order of their positions.
type ChangePage struct {
	Changes []Change

	// Next is the position to go on after: all changes up to it have been
	// looked at, also those that the prefix left out.
	Next Position

	// More tells that there were more changes than the page could hold.
	More bool
}
