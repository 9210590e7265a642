package kv

import (
	"strings"
	"time"
)

// Kind is what an operation does.
type Kind uint8

// Kinds of operation. Restore writes a former version again, without its TTL;
// it has a call of its own and is not accepted in batches and transactions.
const (
	KindGet Kind = iota + 1
	KindPut
	KindDelete
	KindIncrement
	KindRestore
)

// String gives the kind's name in the API.
func (k Kind) String() string {
	switch k {
	case KindGet:
		return "get"
	case KindPut:
		return "put"
	case KindDelete:
		return "delete"
	case KindIncrement:
		return "increment"
	case KindRestore:
		return "restore"
	}
	return "unknown"
}

// Writes tells whether the kind may change its key.
func (k Kind) Writes() bool { return k != KindGet }

// Condition guards an operation. The zero value always holds.
type Condition struct {
	Absent   bool      // the key must not exist; else already_exists
	Exists   bool      // the key must exist; else version_mismatch
	Versions []Version // the key's version must be one of them, 0 for an absent key; else version_mismatch. Nil: any
}

// Always tells whether the condition holds for every state.
func (c Condition) Always() bool { return !c.Absent && !c.Exists && c.Versions == nil }

// Check holds the condition against a key's version, 0 when it is absent.
func (c Condition) Check(current Version) error {
	switch {
	case c.Absent && current != 0:
		return ErrAlreadyExists
	case c.Exists && current == 0:
		return ErrVersionMismatch
	case c.Versions == nil:
		return nil
	}
	for _, v := range c.Versions {
		if v == current {
			return nil
		}
	}
	return ErrVersionMismatch
}

// Operation is one read or write of one key.
type Operation struct {
	Kind        Kind
	Key         string
	Value       []byte            // put; the store keeps it, the caller must not change it afterwards
	ContentType string            // put
	Meta        map[string]string // put
	TTL         time.Duration     // put; 0: the namespace's default
	By          int64             // increment
	Restore     Version           // restore: the version to write again
	If          Condition
}

// Check refuses an operation that no store should see, with the field that is
// wrong.
func (o Operation) Check() error {
	if err := CheckKey(o.Key); err != nil {
		return err
	}
	switch o.Kind {
	case KindGet, KindDelete, KindIncrement, KindRestore:
		return nil
	case KindPut:
	default:
		return Invalid("op", "unknown operation; it has to be put, get, delete or increment")
	}
	if len(o.Value) > MaxValueBytes {
		return &Error{Code: CodeTooLarge, Field: "value", Detail: "the value is larger than 8 MiB"}
	}
	if len(o.ContentType) > MaxContentTypeBytes || strings.ContainsFunc(o.ContentType, isControl) {
		return Invalid("content_type", "the content type has to be at most %d printable bytes", MaxContentTypeBytes)
	}
	if err := CheckTTL("ttl", o.TTL); o.TTL != 0 && err != nil {
		return err
	}
	return CheckMeta(o.Meta)
}

// CheckTTL refuses a time to live outside 1 ms to 87600 h.
func CheckTTL(field string, ttl time.Duration) error {
	if ttl < MinTTL || ttl > MaxTTL {
		return Invalid(field, "the time to live has to be from 1ms to 87600h, such as 90s")
	}
	return nil
}

// CheckMeta refuses metadata that could not travel as HTTP headers: names are
// lower-case letters, digits and hyphens, values printable ASCII.
func CheckMeta(meta map[string]string) error {
	if len(meta) > MaxMetaPairs {
		return Invalid("meta", "there are %d metadata pairs; at most %d are kept", len(meta), MaxMetaPairs)
	}
	total := 0
	for name, value := range meta {
		total += len(name) + len(value)
		if name == "" || strings.ContainsFunc(name, notMetaName) {
			return Invalid("meta", "metadata names have to be lower-case letters, digits and hyphens")
		}
		if strings.ContainsFunc(value, notMetaValue) || strings.TrimSpace(value) != value {
			return Invalid("meta", "the metadata value of %q has to be printable ASCII without surrounding spaces", name)
		}
	}
	if total > MaxMetaBytes {
		return Invalid("meta", "the metadata has %d bytes; at most %d are kept", total, MaxMetaBytes)
	}
	return nil
}

func isControl(r rune) bool    { return r < 0x20 || r > 0x7e }
func notMetaValue(r rune) bool { return r < 0x20 || r > 0x7e }
func notMetaName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

// Result is the outcome of one operation. Err is set when it was refused; then
// nothing else is, but Kind, Key and, for a get of an absent key, Version.
type Result struct {
	Kind    Kind
	Key     string
	Version Version // written, or read
	Created bool    // put, increment, restore: the key was absent before
	Number  int64   // increment: the new value
	Entry   *Entry  // get: what was read; put, increment and restore: what was written, unless the answer is a replay
	Err     *Error

	// Replayed tells that the write had been made before under the same write
	// id, and that this is its recorded answer.
	Replayed bool
}
