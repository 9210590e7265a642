package kv

import "time"

// DefaultRetention is how long a namespace keeps superseded versions, deleted
// keys and changes unless it is told otherwise.
const DefaultRetention = 7 * 24 * time.Hour

// Namespace is a set of keys with settings of its own. It exists from its
// first write, with defaults.
type Namespace struct {
	Name       string
	DefaultTTL time.Duration // of entries written without one; 0: none
	Retention  time.Duration // of a version after it was superseded, and of changes; 0: none is kept
	MaxKeys    int64         // quota; 0: none
	MaxBytes   int64         // quota of keys and values together; 0: none

	Keys  int64 // live entries
	Bytes int64 // of their keys and values
}

// CheckSettings refuses settings out of range.
func (n Namespace) CheckSettings() error {
	if err := CheckNamespace(n.Name); err != nil {
		return err
	}
	if n.DefaultTTL != 0 {
		if err := CheckTTL("default_ttl", n.DefaultTTL); err != nil {
			return err
		}
	}
	if n.Retention < 0 || n.Retention > MaxTTL {
		return Invalid("retention", "the retention has to be from 0s to 87600h, such as 168h")
	}
	if n.MaxKeys < 0 {
		return Invalid("max_keys", "the quota of keys has to be 0 (none) or more")
	}
	if n.MaxBytes < 0 {
		return Invalid("max_bytes", "the quota of bytes has to be 0 (none) or more")
	}
	return nil
}

// NamespacePage is one page of namespaces in the order of their names.
type NamespacePage struct {
	Namespaces []Namespace
	Cursor     string // the name to go on after; empty at the end
}
