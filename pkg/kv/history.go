package kv

import (
	"strconv"
	"time"
)

// HistoryQuery asks for the versions of one key, the newest first.
type HistoryQuery struct {
	Limit  int
	Cursor string
}

// HistoryEntry is one version of a key.
type HistoryEntry struct {
	Version     Version
	Op          ChangeKind
	At          time.Time
	Size        int64
	ContentType string
}

// HistoryPage is one page of a key's versions.
type HistoryPage struct {
	Versions []HistoryEntry
	Cursor   string
}

// Below gives the version below which the page starts, 0 for the newest.
func (q HistoryQuery) Below() (Version, error) {
	if q.Cursor == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(q.Cursor, 36, 64)
	if err != nil || v <= 0 {
		return 0, Invalid("cursor", "the cursor is not one that a history answered")
	}
	return Version(v), nil
}

// CursorBelow makes the cursor of a page that goes on below v.
func (HistoryQuery) CursorBelow(v Version) string { return strconv.FormatInt(int64(v), 36) }
