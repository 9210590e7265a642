package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// History is one page of a key's versions, the newest first.
type History struct {
	Versions []HistoryVersion `json:"versions"`
	Cursor   string           `json:"cursor,omitempty"`
}

// HistoryVersion is one version of a key.
type HistoryVersion struct {
	Version     kv.Version    `json:"version"`
	Op          kv.ChangeKind `json:"op"`
	At          Time          `json:"at"`
	Size        int64         `json:"size"`
	ContentType string        `json:"content_type,omitempty"`
}

// FromHistoryPage makes the shape of a page.
func FromHistoryPage(page kv.HistoryPage) History {
	shape := History{Versions: make([]HistoryVersion, len(page.Versions)), Cursor: page.Cursor}
	for i, v := range page.Versions {
		shape.Versions[i] = HistoryVersion{Version: v.Version, Op: v.Op, At: Time(v.At), Size: v.Size, ContentType: v.ContentType}
	}
	return shape
}

// KV gives the page.
func (h History) KV() kv.HistoryPage {
	page := kv.HistoryPage{Cursor: h.Cursor}
	for _, v := range h.Versions {
		page.Versions = append(page.Versions, kv.HistoryEntry{
			Version: v.Version, Op: v.Op, At: time.Time(v.At), Size: v.Size, ContentType: v.ContentType,
		})
	}
	return page
}
