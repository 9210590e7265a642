// Package kv is Trivet's domain: entries with versions, conditional writes,
// transactions, the change log, and the [Store] that keeps them.
//
// It holds types and rules only. kv/pebble keeps entries on the local disk,
// kv/cached puts a cache in front of any store, and kv/storetest is the suite
// that every store has to pass.
package kv

import "time"

// Version orders the states of one key. It is assigned by the store, starts
// above 0 and never goes back: not across a delete, a re-create, compaction or
// a clock that steps. An absent key has version 0. Versions are below 2^53, so
// that JSON numbers carry them exactly.
type Version int64

// Position is a place in a store's change log: dense, in commit order, above 0
// for the first change. Position 0 is before every change.
type Position int64

// Limits that hold for every store. Services may lower them, never raise them.
const (
	MaxKeyBytes         = 1024
	MaxValueBytes       = 8 << 20
	MaxContentTypeBytes = 255
	MaxMetaPairs        = 64
	MaxMetaBytes        = 8 << 10 // names and values of one entry together
	MaxTxnCompares      = 128
	MaxTxnOperations    = 128 // of each branch
	MaxBatchOperations  = 1000
	MaxReadBytes        = 16 << 20 // values that one transaction, or one batch, reads
	MaxPageEntries      = 1000
	MaxPageBytes        = 8 << 20  // a page closes once its values exceed this
	MaxChangeValueBytes = 64 << 10 // larger values are left out of the change log's answers

	MinTTL = time.Millisecond
	MaxTTL = 87600 * time.Hour
)

// Source says who answered a read.
type Source string

// Sources, from the strongest to the fastest.
const (
	SourceDatabase Source = "database"
	SourceCache    Source = "cache"   // shared by all processes
	SourceProcess  Source = "process" // this process's own
)

// Entry is one key's live state, or one of its former versions.
//
// Value and Meta belong to the store or its cache: read them, never change
// them.
type Entry struct {
	Key         string // any bytes
	Version     Version
	Value       []byte // nil where it was not asked for
	Size        int64  // of the value, in bytes
	ContentType string // empty where the writer named none
	Meta        map[string]string
	CreatedAt   time.Time // of the first version since the key was last absent
	UpdatedAt   time.Time
	ExpiresAt   time.Time // zero: never

	// TTLLeft is the time left when the entry was read, by the database's
	// clock; 0 when it never expires. Caches count it down by monotonic time.
	TTLLeft time.Duration

	// Position is one that the read is not older than: a watch from it misses
	// no later change of the key.
	Position Position

	Source Source
	Age    time.Duration // since the value was last known to be current
}

// Consistency says how fresh a read has to be.
type Consistency uint8

const (
	// Shared reads may be answered by the shared cache: never older than the
	// last write acknowledged before the read began.
	Shared Consistency = iota
	// Strong reads ask the database and are linearizable.
	Strong
	// Local reads may be answered by the process's own cache, within MaxAge.
	Local
)

// ReadOptions says what a Get accepts. The zero value is a Shared read.
type ReadOptions struct {
	Consistency Consistency
	MaxAge      time.Duration // with Local: how old an answer may be
	MinVersion  Version       // below it a cached answer is not final: the database is asked
}
