package kv

import "context"

// API is what an application may do with a store, in its own process or, as
// package client does, over HTTP. All methods may be called concurrently; each
// one returns an [Error] or one that wraps it.
//
// A write that returned without an error is committed and durable. One whose
// context ended may or may not have been made: repeat it under its write id.
// Reads see every write that was acknowledged before they began.
type API interface {
	// Get reads one key. For an absent key it answers not_found, and an Entry
	// that has Key, Position, Source and the Version of its deletion, 0 when
	// that is not known.
	Get(ctx context.Context, ns, key string, opts ReadOptions) (Entry, error)

	// List reads a page of keys.
	List(ctx context.Context, ns string, q ListQuery) (ListPage, error)

	// Apply runs one operation. A refusal is the error; Result.Err is nil.
	Apply(ctx context.Context, ns string, op Operation, id Identity) (Result, error)

	// Batch runs operations in the order given, each as Apply would, with one
	// result each. It is not atomic: one that is refused stops no other. Under a
	// named identity each write is answered once, a refusal too; gets read again.
	// A get by which the batch reads more than MaxReadBytes of values is refused
	// as too_large.
	Batch(ctx context.Context, ns string, ops []Operation, id Identity) ([]Result, error)

	// Txn runs a transaction: all of a branch or, on any refusal, nothing; the
	// error's Field then names the operation. What its gets and its compares of
	// values read counts, each time that it is read: a transaction that comes to
	// more than MaxReadBytes is refused as too_large, the Field naming the
	// compare or the get that was too much.
	Txn(ctx context.Context, ns string, txn Txn, id Identity) (TxnResult, error)

	// Version reads one version of a key; not_found when it is past retention
	// or was a deletion.
	Version(ctx context.Context, ns, key string, v Version) (Entry, error)

	// History lists the versions of a key that are within retention, deletions
	// included. A key that never was has an empty history.
	History(ctx context.Context, ns, key string, q HistoryQuery) (HistoryPage, error)

	// Namespace gives settings and usage, defaults for one that has no writes.
	Namespace(ctx context.Context, ns string) (Namespace, error)

	// Namespaces lists the namespaces that exist, at most limit after a name.
	Namespaces(ctx context.Context, after string, limit int) (NamespacePage, error)

	// SetNamespace replaces a namespace's settings; Keys and Bytes are ignored.
	SetNamespace(ctx context.Context, n Namespace) (Namespace, error)

	// Ping tells whether the store answers.
	Ping(ctx context.Context) error
}

// Store keeps entries. Beside what applications use, it has the change log and
// the records of named writes, on which services are built.
type Store interface {
	API

	// Changes reads the namespace's change log: everything that was acknowledged
	// before the call, unless q.Following says otherwise. It answers
	// position_expired when q.After is below what retention has removed.
	Changes(ctx context.Context, ns string, q ChangeQuery) (ChangePage, error)

	// Await returns once the namespace may have a change after the position.
	Await(ctx context.Context, ns string, after Position) error

	// Head gives the position of the last change of the whole store.
	Head(ctx context.Context) (Position, error)

	// Record gives what is remembered of a named write, or not_found.
	Record(ctx context.Context, id WriteID) (Record, error)

	// Claim records a deferred write as pending before it is queued, so that
	// its id can be looked up. It gives the record that stands: the new one, or
	// the earlier one under the same id and hash; idempotency_mismatch when the
	// hashes differ.
	Claim(ctx context.Context, ns string, id Identity) (Record, error)
}

// Maintainer is the upkeep of a store, which one process at a time does in the
// background. Each call does at most limit rows of work and returns how many
// it did, so that it never holds up requests; limit rows mean there may be more.
type Maintainer interface {
	// Sweep turns entries that have expired into changes of kind expire.
	Sweep(ctx context.Context, limit int) (int, error)

	// Compact removes what is past each namespace's retention: versions and
	// changes, tombstones, and records past RecordRetention.
	Compact(ctx context.Context, limit int) (int, error)
}
