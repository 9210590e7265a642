package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Namespace is a namespace's settings and usage.
type Namespace struct {
	Name       string   `json:"name"`
	DefaultTTL Duration `json:"default_ttl,omitzero"`
	Retention  Duration `json:"retention"`
	MaxKeys    int64    `json:"max_keys,omitempty"`
	MaxBytes   int64    `json:"max_bytes,omitempty"`
	Keys       int64    `json:"keys"`
	Bytes      int64    `json:"bytes"`
}

// Namespaces is one page of namespaces. Without a cursor it is the last one.
type Namespaces struct {
	Namespaces []Namespace `json:"namespaces"`
	Cursor     string      `json:"cursor,omitempty"`
}

// FromNamespace makes the shape of a namespace.
func FromNamespace(n kv.Namespace) Namespace {
	return Namespace{
		Name:       n.Name,
		DefaultTTL: Duration(n.DefaultTTL),
		Retention:  Duration(n.Retention),
		MaxKeys:    n.MaxKeys,
		MaxBytes:   n.MaxBytes,
		Keys:       n.Keys,
		Bytes:      n.Bytes,
	}
}

// FromNamespacePage makes the shape of a page.
func FromNamespacePage(page kv.NamespacePage) Namespaces {
	shape := Namespaces{Namespaces: make([]Namespace, len(page.Namespaces)), Cursor: page.Cursor}
	for i, n := range page.Namespaces {
		shape.Namespaces[i] = FromNamespace(n)
	}
	return shape
}

// KV gives the namespace.
func (n Namespace) KV() kv.Namespace {
	return kv.Namespace{
		Name:       n.Name,
		DefaultTTL: time.Duration(n.DefaultTTL),
		Retention:  time.Duration(n.Retention),
		MaxKeys:    n.MaxKeys,
		MaxBytes:   n.MaxBytes,
		Keys:       n.Keys,
		Bytes:      n.Bytes,
	}
}

// DecodeNamespace reads the settings of the namespace called name strictly,
// and checks them. A setting that is missing gets its default; name, keys and
// bytes may be there, as a GET answered them, and are not settings.
func DecodeNamespace(data []byte, name string) (kv.Namespace, error) {
	n := kv.Namespace{Name: name, Retention: kv.DefaultRetention}
	d := decoder{data: data}
	err := d.document(func(field string) error {
		switch field {
		case "name":
			given, err := d.text()
			if err == nil && given != name {
				err = kv.Invalid("", "the name has to be that of the path")
			}
			return err
		case "default_ttl":
			return d.setDuration(&n.DefaultTTL)
		case "retention":
			return d.setDuration(&n.Retention)
		case "max_keys":
			return d.setCount(&n.MaxKeys)
		case "max_bytes":
			return d.setCount(&n.MaxBytes)
		case "keys", "bytes":
			_, err := d.integer(0, maxInt64)
			return err
		}
		return errUnknownField
	})
	if err != nil {
		return kv.Namespace{}, err
	}
	return n, n.CheckSettings()
}

func (d *decoder) setDuration(to *time.Duration) error {
	text, err := d.duration()
	if err != nil {
		return err
	}
	*to, err = time.ParseDuration(text)
	if err != nil {
		return kv.Invalid("", "the value has to be a duration such as 90s or 1h30m")
	}
	return nil
}

func (d *decoder) setCount(to *int64) error {
	n, err := d.integer(0, maxInt64)
	if err == nil {
		*to = *n
	}
	return err
}
