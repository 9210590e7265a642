package request

import (
	"net/http"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// MetaPrefix begins the headers that carry metadata, in the form in which
// net/http keeps names.
const MetaPrefix = "Trivet-Meta-"

// PutHeaders reads from the headers of a PUT all of the operation but its
// value.
func PutHeaders(h http.Header, op *kv.Operation) error {
	if values := h["Content-Type"]; len(values) > 0 {
		text, err := Single("Content-Type", values)
		if err != nil {
			return err
		}
		op.ContentType = text
	}
	if values := h["Trivet-Ttl"]; len(values) > 0 {
		text, err := Single("Trivet-TTL", values)
		if err != nil {
			return err
		}
		if op.TTL, err = wire.ParseTTL("Trivet-TTL", text); err != nil {
			return err
		}
	}
	for name, values := range h {
		suffix, ok := strings.CutPrefix(name, MetaPrefix)
		if !ok {
			continue
		}
		text, err := Single(shownName(name), values)
		if err != nil {
			return err
		}
		if op.Meta == nil {
			op.Meta = make(map[string]string)
		}
		op.Meta[strings.ToLower(suffix)] = text
	}
	return inHeaders(op.Check())
}

// inHeaders names the header where an operation's check names a field.
func inHeaders(err error) error {
	if err == nil {
		return nil
	}
	e := *kv.AsError(err)
	switch e.Field {
	case "content_type":
		e.Field = "Content-Type"
	case "meta":
		e.Field = MetaPrefix + "*"
	}
	return &e
}
