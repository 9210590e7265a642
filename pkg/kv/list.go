package kv

import (
	"encoding/base64"
	"strings"
)

// ListQuery asks for a range of keys in the order of their bytes.
type ListQuery struct {
	Prefix    string
	Delimiter string // when set, keys that contain it behind the prefix are folded into one prefix
	Limit     int    // entries and prefixes together, 1 to MaxPageEntries
	Cursor    string // of the page before; empty for the first
	Values    bool   // with values; a page then also closes at MaxPageBytes
}

// ListPage is one page of a list. It may be short: only a missing cursor is
// the end.
type ListPage struct {
	Entries  []Entry
	Prefixes []string
	Cursor   string
	Position Position // a watch from here misses nothing that is not in the page
}

// Check refuses a query that no store should see.
func (q ListQuery) Check() error {
	if err := CheckPrefix("prefix", q.Prefix); err != nil {
		return err
	}
	if err := CheckPrefix("delimiter", q.Delimiter); err != nil {
		return err
	}
	if err := CheckLimit(q.Limit); err != nil {
		return err
	}
	_, err := q.Start()
	return err
}

// CheckLimit refuses a page size outside 1 to MaxPageEntries.
func CheckLimit(limit int) error {
	if limit < 1 || limit > MaxPageEntries {
		return Invalid("limit", "the limit has to be a number from 1 to %d", MaxPageEntries)
	}
	return nil
}

// A cursor is base64url of a format byte, 8 bytes that bind it to prefix and
// delimiter, and the first key that the next page may hold.
const cursorFormat = 1

// Start gives the first key that the page may hold: the prefix itself, or what
// the cursor says.
func (q ListQuery) Start() (string, error) {
	if q.Cursor == "" {
		return q.Prefix, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || len(raw) < 9 || raw[0] != cursorFormat {
		return "", Invalid("cursor", "the cursor is not one that a list answered")
	}
	start := string(raw[9:])
	if string(raw[1:9]) != q.binding() || len(start) > MaxKeyBytes+1 || start < q.Prefix {
		return "", Invalid("cursor", "the cursor belongs to a list with another prefix or delimiter")
	}
	return start, nil
}

// CursorAt makes the cursor of a page that goes on at key start.
func (q ListQuery) CursorAt(start string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string([]byte{cursorFormat}) + q.binding() + start))
}

// Fold gives the prefix into which the delimiter folds a key, and false for a
// key that stands for itself.
func (q ListQuery) Fold(key string) (string, bool) {
	if q.Delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(q.Prefix):], q.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(q.Prefix)+i+len(q.Delimiter)], true
}

func (q ListQuery) binding() string {
	id := digest("cursor", q.Prefix, q.Delimiter)
	return string(id[:8])
}
