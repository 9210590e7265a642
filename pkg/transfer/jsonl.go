package transfer

import (
	"io"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// line is an entry as a list shows it, without what the store that it is
// written to will assign.
type line struct {
	Key         string            `json:"key"`
	KeyEncoding string            `json:"key_encoding,omitempty"`
	Value       []byte            `json:"value"`
	ContentType string            `json:"content_type,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	ExpiresAt   wire.Time         `json:"expires_at,omitzero"`
}

type jsonWriter struct{ out io.Writer }

func (w jsonWriter) header() error { return nil }

func (w jsonWriter) entry(e kv.Entry) error {
	shape := wire.FromEntry(e, true)
	text, err := wire.Marshal(line{
		Key: shape.Key, KeyEncoding: shape.KeyEncoding, Value: shape.Value,
		ContentType: shape.ContentType, Meta: shape.Meta, ExpiresAt: shape.ExpiresAt,
	})
	if err != nil {
		return err
	}
	_, err = w.out.Write(text)
	return err
}

func decodeJSON(text []byte) (kv.Entry, error) {
	shape, err := wire.DecodeEntry(text)
	if err != nil {
		return kv.Entry{}, err
	}
	return shape.KV()
}
