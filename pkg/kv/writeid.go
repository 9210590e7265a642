package kv

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// WriteID names one write for as long as anybody may repeat it. A store that
// has seen it answers from its record and writes nothing. The zero id names a
// write that nobody can repeat, and leaves no record.
type WriteID [16]byte

// RecordRetention is how long a store keeps the record of a write id: longer
// than any broker redelivers and any client retries.
const RecordRetention = 7 * 24 * time.Hour

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// String gives the id's text form, 26 characters.
func (id WriteID) String() string { return idText.EncodeToString(id[:]) }

// IsZero tells whether the write is unnamed.
func (id WriteID) IsZero() bool { return id == WriteID{} }

// ParseWriteID is the inverse of [WriteID.String].
func ParseWriteID(text string) (WriteID, error) {
	var id WriteID
	lower := strings.ToLower(text)
	raw, err := idText.DecodeString(lower)
	// Letters outside ASCII may have an ASCII letter as their lower case.
	if err != nil || len(text) != len(lower) || len(raw) != len(id) || idText.EncodeToString(raw) != lower {
		return id, Invalid("id", "an operation id has 26 characters, as a Location header gave it")
	}
	return WriteID(raw), nil
}

// NewWriteID makes an id for an asynchronous write: 48 bits of time in
// milliseconds, 48 random bits, and 32 check bits, so that an id which was
// given out can be told from one that was made up without keeping a record
// before the write is applied.
func NewWriteID(now time.Time) WriteID {
	var id WriteID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(id[6:12]) // crypto/rand never fails
	copy(id[12:], id.check())
	return id
}

// IssuedAt gives the time at which [NewWriteID] made the id, and false for one
// that it did not make.
func (id WriteID) IssuedAt() (time.Time, bool) {
	if string(id[12:]) != string(id.check()) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)), true
}

func (id WriteID) check() []byte {
	sum := sha256.Sum256(append([]byte("trivet operation\x00"), id[:12]...))
	return sum[:4]
}

// DeriveWriteID makes the id of an Idempotency-Key within its caller and
// namespace: the same three always give the same id.
func DeriveWriteID(caller, namespace, idempotencyKey string) WriteID {
	return digest("key", caller, namespace, idempotencyKey)
}

// Item derives the id of the i-th operation of a batch.
func (id WriteID) Item(i int) WriteID {
	if id.IsZero() {
		return id
	}
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(i)) //nolint:gosec // at most MaxBatchOperations
	return digest("item", string(id[:]), string(n[:]))
}

func digest(parts ...string) WriteID {
	h := sha256.New()
	var n [4]byte
	for _, part := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(part))) //nolint:gosec // header limits bound it
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return WriteID(h.Sum(nil)[:16])
}

// Identity is what makes a write repeatable.
type Identity struct {
	ID   WriteID
	Hash [32]byte // of the request; the same ID with another Hash is idempotency_mismatch

	// Deferred marks a write whose caller has gone: it is recorded whatever
	// becomes of it, refusals too. Refusals of other writes are not recorded, but
	// for those of a batch's operations, which keep their order that way.
	Deferred bool
}

// RecordState is how far a recorded write has come.
type RecordState string

// States of a record.
const (
	RecordPending  RecordState = "pending"
	RecordApplied  RecordState = "applied"
	RecordRejected RecordState = "rejected"
)

// Record is what a store remembers of a named write.
type Record struct {
	ID        WriteID
	Namespace string
	Hash      [32]byte
	State     RecordState
	Result    Result // of a single write, without its Entry
	At        time.Time
}
