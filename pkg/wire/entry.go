package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Entry is one entry of a list, or what a get in a batch answered.
type Entry struct {
	Key         string            `json:"key"`
	KeyEncoding string            `json:"key_encoding,omitempty"`
	Version     kv.Version        `json:"version"`
	Value       []byte            `json:"value,omitzero"` // nil: not asked for
	Size        int64             `json:"size"`
	ContentType string            `json:"content_type,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	CreatedAt   Time              `json:"created_at"`
	UpdatedAt   Time              `json:"updated_at"`
	ExpiresAt   Time              `json:"expires_at,omitzero"`
}

// FromEntry makes the shape of an entry, with its value when values is true.
func FromEntry(e kv.Entry, values bool) Entry {
	shape := Entry{
		Version:     e.Version,
		Size:        e.Size,
		ContentType: e.ContentType,
		Meta:        e.Meta,
		CreatedAt:   Time(e.CreatedAt),
		UpdatedAt:   Time(e.UpdatedAt),
		ExpiresAt:   Time(e.ExpiresAt),
	}
	shape.Key, shape.KeyEncoding = kv.EncodeKey(e.Key)
	if values {
		shape.Value = present(e.Value)
	}
	return shape
}

// KV gives the entry. Its position and source are not part of the shape.
func (e Entry) KV() (kv.Entry, error) {
	key, err := kv.DecodeKey(e.Key, e.KeyEncoding)
	if err != nil {
		return kv.Entry{}, err
	}
	return kv.Entry{
		Key:         key,
		Version:     e.Version,
		Value:       e.Value,
		Size:        e.Size,
		ContentType: e.ContentType,
		Meta:        e.Meta,
		CreatedAt:   time.Time(e.CreatedAt),
		UpdatedAt:   time.Time(e.UpdatedAt),
		ExpiresAt:   time.Time(e.ExpiresAt),
	}, nil
}

// present gives an empty value that is there the form that JSON shows as "".
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}
