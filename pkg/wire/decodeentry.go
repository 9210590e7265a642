package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// DecodeEntry reads one entry strictly, as a list or an export wrote it. Key
// and value have to be there; what a store assigns, version, size and times of
// writing, may be.
func DecodeEntry(data []byte) (Entry, error) {
	var e Entry
	hasKey, hasValue := false, false
	d := decoder{data: data}
	err := d.document(func(name string) (err error) {
		switch name {
		case "key":
			hasKey = true
			e.Key, err = d.text()
		case "key_encoding":
			e.KeyEncoding, err = d.keyEncoding()
		case "value":
			hasValue = true
			e.Value, err = d.bytes()
		case "content_type":
			e.ContentType, err = d.text()
		case "meta":
			e.Meta, err = d.meta()
		case "expires_at":
			e.ExpiresAt, err = d.time()
		case "created_at":
			e.CreatedAt, err = d.time()
		case "updated_at":
			e.UpdatedAt, err = d.time()
		case "version":
			var version *kv.Version
			if version, err = d.version(); err == nil {
				e.Version = *version
			}
		case "size":
			var size *int64
			if size, err = d.integer(0, kv.MaxValueBytes); err == nil {
				e.Size = *size
			}
		default:
			err = errUnknownField
		}
		return err
	})
	switch {
	case err != nil:
		return Entry{}, err
	case !hasKey:
		return Entry{}, kv.Invalid("key", "the field is missing")
	case !hasValue:
		return Entry{}, kv.Invalid("value", `the field is missing; the empty value is ""`)
	}
	return e, nil
}

func (d *decoder) time() (Time, error) {
	text, err := d.text()
	if err != nil {
		return Time{}, err
	}
	at, err := time.Parse(time.RFC3339, text)
	if year := at.UTC().Year(); err != nil || year < 0 || year > 9999 { // which another offset can make of it
		return Time{}, kv.Invalid("", "the value has to be a time such as 2026-01-02T15:04:05.000Z")
	}
	return Time(at.UTC()), nil
}
