// Package cache keeps entries in front of a database without ever showing one
// that is older than an acknowledged write. It defines the protocol's steps;
// cache/memory keeps them in this process, cache/cachetest is the suite that
// every implementation has to pass, and kv/cached runs the protocol.
//
// One value per key holds an entry, a floor version, a lease, and one mark per
// write under way. Each step is atomic for its key. An implementation may
// forget a key's whole value, marks included, at any moment.
package cache

import (
	"context"
	"errors"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// ErrUnknown is of a step of a write that was not made, since for now nobody can
// say whether the cache may be used. What the cache holds is as good as before;
// the write has to fail, or stay unacknowledged with its mark standing.
var ErrUnknown = errors.New("whether the cache may be used is not known")

// Key names an entry of a namespace.
type Key struct {
	Namespace string
	Key       string
}

// Mark names one write under way; unique, never 0.
type Mark uint64

// Lease is the right to fill a key, given to one reader at a time; 0 is none.
type Lease uint64

// Lookup is what Read found.
type Lookup struct {
	Found bool
	Entry kv.Entry // when Found; Version 0 or Absent tells a key that does not exist
	// Absent tells, when Found, that the database has no such key; Entry then
	// holds Key, Version and Position only.
	Absent bool
	// Lease is not 0 when the caller may Fill what it reads from the database.
	Lease Lease

	// Held is another reader's lease that stood at this moment, else 0. Nobody
	// has begun or finished a write of the key since it was given out: whoever
	// reads the database under it reads nothing older than what the caller would.
	Held Lease
}

// Finished is one committed write.
type Finished struct {
	Key     Key
	Version kv.Version
	Entry   *kv.Entry // what was written; nil stores nothing: a deletion, or an outcome that is not known in full
}

// Cache runs the protocol's steps. Errors mean that the step may or may not
// have been made.
type Cache interface {
	// Begin comes before the commit, for every key that the write may change:
	// it adds the mark, which stands until Finish or for ttl, and removes entry
	// and lease.
	Begin(ctx context.Context, keys []Key, mark Mark, ttl time.Duration) error

	// Finish comes after the commit and before the acknowledgement, for every
	// key of Begin: it removes the mark and the lease, raises the floor to the
	// new version and drops an entry below it. It stores the new entry only if
	// its own mark still stood, no other mark stands, not even an expired one,
	// and the version is at least the floor. A write with an unknown outcome
	// never finishes. Version 0 says that the key was not changed.
	Finish(ctx context.Context, writes []Finished, mark Mark) error

	// Read gives the entry, or else a lease for the caller to fill it, unless a
	// live mark or another's lease stands.
	Read(ctx context.Context, key Key) (Lookup, error)

	// Fill stores what the holder of a lease has read from the database (the
	// writer, never a replica): if the lease still stands, no live mark stands
	// and the version is at least the floor. Expired marks are cleared then. It
	// tells whether it stored. Here as in Finish, the entry's TTLLeft is what is
	// left at the call; an entry with an ExpiresAt and nothing left is not stored.
	Fill(ctx context.Context, key Key, lease Lease, entry kv.Entry, absent bool) (bool, error)
}
