package wire

import (
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// List is one page of keys. Without a cursor it is the last one.
type List struct {
	Entries  []Entry  `json:"entries"`
	Prefixes []string `json:"prefixes"`

	// PrefixEncoding is kv.KeyEncodingBase64 when one of the prefixes is not
	// UTF-8; all of them are base64 then.
	PrefixEncoding string      `json:"prefix_encoding,omitempty"`
	Cursor         string      `json:"cursor,omitempty"`
	Position       kv.Position `json:"position"`
}

// FromListPage makes the shape of a page, with values when values is true.
func FromListPage(page kv.ListPage, values bool) List {
	shape := List{
		Entries:  make([]Entry, len(page.Entries)),
		Prefixes: make([]string, len(page.Prefixes)),
		Cursor:   page.Cursor,
		Position: page.Position,
	}
	for i, e := range page.Entries {
		shape.Entries[i] = FromEntry(e, values)
	}
	for _, prefix := range page.Prefixes {
		if !utf8.ValidString(prefix) {
			shape.PrefixEncoding = kv.KeyEncodingBase64
		}
	}
	for i, prefix := range page.Prefixes {
		if shape.PrefixEncoding != "" {
			prefix = encodeBase64(prefix)
		}
		shape.Prefixes[i] = prefix
	}
	return shape
}

// KV gives the page.
func (l List) KV() (kv.ListPage, error) {
	page := kv.ListPage{Cursor: l.Cursor, Position: l.Position}
	for _, shape := range l.Entries {
		e, err := shape.KV()
		if err != nil {
			return kv.ListPage{}, err
		}
		page.Entries = append(page.Entries, e)
	}
	for _, text := range l.Prefixes {
		prefix, err := kv.DecodeKey(text, l.PrefixEncoding)
		if err != nil {
			return kv.ListPage{}, err
		}
		page.Prefixes = append(page.Prefixes, prefix)
	}
	return page, nil
}
