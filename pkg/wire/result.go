package wire

import (
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Result is the outcome of one operation of a batch or a transaction: the
// fields of an entry, or a problem. A get has them all. A write has no value,
// but for an increment: the new number as text. The answer to a repeated write
// has key and version alone, and a deletion too.
type Result struct {
	Status      int               `json:"status"`
	Key         string            `json:"key,omitempty"`
	KeyEncoding string            `json:"key_encoding,omitempty"`
	Version     kv.Version        `json:"version,omitempty"`
	Value       []byte            `json:"value,omitzero"`
	Size        *int64            `json:"size,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	CreatedAt   Time              `json:"created_at,omitzero"`
	UpdatedAt   Time              `json:"updated_at,omitzero"`
	ExpiresAt   Time              `json:"expires_at,omitzero"`
	Problem     *Problem          `json:"problem,omitempty"`
}

// FromResult makes the shape of an outcome that was not refused, with the
// status that the operation has by itself.
func FromResult(r kv.Result, status int) Result {
	shape := Result{Status: status, Version: r.Version}
	shape.Key, shape.KeyEncoding = kv.EncodeKey(r.Key)
	if r.Kind == kv.KindIncrement {
		shape.Value = strconv.AppendInt(nil, r.Number, 10)
	}
	if r.Entry == nil || r.Kind == kv.KindDelete {
		return shape
	}
	shape.Size = &r.Entry.Size
	shape.ContentType = r.Entry.ContentType
	shape.Meta = r.Entry.Meta
	shape.CreatedAt = Time(r.Entry.CreatedAt)
	shape.UpdatedAt = Time(r.Entry.UpdatedAt)
	shape.ExpiresAt = Time(r.Entry.ExpiresAt)
	if r.Kind == kv.KindGet {
		shape.Value = present(r.Entry.Value)
	}
	return shape
}

// KV gives the outcome of an operation of a kind on a key.
func (r Result) KV(kind kv.Kind, key string) (kv.Result, error) {
	out := kv.Result{Kind: kind, Key: key, Version: r.Version, Created: r.Status == 201}
	if r.Problem != nil {
		out.Err = r.Problem.Err()
		return out, nil
	}
	if kind == kv.KindIncrement {
		n, err := strconv.ParseInt(string(r.Value), 10, 64)
		if err != nil {
			return kv.Result{}, kv.Errorf(kv.CodeInternal, "an increment answered no number")
		}
		out.Number = n
	}
	if r.Size == nil {
		return out, nil
	}
	out.Entry = &kv.Entry{
		Key:         key,
		Version:     r.Version,
		Value:       r.Value,
		Size:        *r.Size,
		ContentType: r.ContentType,
		Meta:        r.Meta,
		CreatedAt:   time.Time(r.CreatedAt),
		UpdatedAt:   time.Time(r.UpdatedAt),
		ExpiresAt:   time.Time(r.ExpiresAt),
	}
	return out, nil
}
