package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Operation is one operation of a batch or a transaction. Fields that its op
// does not have are refused.
type Operation struct {
	Op          string            `json:"op"` // put, get, delete or increment
	Key         string            `json:"key"`
	KeyEncoding string            `json:"key_encoding,omitempty"`
	Value       []byte            `json:"value,omitzero"` // put; required, "" is the empty value
	ContentType string            `json:"content_type,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	TTL         string            `json:"ttl,omitempty"` // put; a duration
	By          *int64            `json:"by,omitempty"`  // increment; required
	IfVersion   *kv.Version       `json:"if_version,omitempty"`
	IfAbsent    *bool             `json:"if_absent,omitempty"`
}

// FromOperation makes the shape of an operation. Conditions that the shape
// does not have, and restores, are refused.
func FromOperation(op kv.Operation) (Operation, error) {
	shape := Operation{Op: op.Kind.String()}
	shape.Key, shape.KeyEncoding = kv.EncodeKey(op.Key)
	switch op.Kind {
	case kv.KindPut:
		shape.Value = present(op.Value)
		shape.ContentType = op.ContentType
		shape.Meta = op.Meta
		if op.TTL != 0 {
			shape.TTL = Duration(op.TTL).String()
		}
	case kv.KindIncrement:
		shape.By = &op.By
	case kv.KindGet, kv.KindDelete:
	case kv.KindRestore:
		return Operation{}, errUnknownOp
	}
	if op.If.Exists || len(op.If.Versions) > 1 || op.If.Versions != nil && len(op.If.Versions) == 0 {
		return Operation{}, kv.Invalid("if_version", "an operation can be guarded by one version or by absence only")
	}
	if len(op.If.Versions) == 1 {
		shape.IfVersion = &op.If.Versions[0]
	}
	if op.If.Absent {
		shape.IfAbsent = &op.If.Absent
	}
	return shape, nil
}

var errUnknownOp = kv.Invalid("op", "unknown operation; it has to be put, get, delete or increment")

// KV gives the operation, checked.
func (o Operation) KV() (kv.Operation, error) {
	op, err := o.operation()
	if err != nil {
		return kv.Operation{}, err
	}
	return op, op.Check()
}

// operation converts without the limits, which a transaction checks as a whole.
func (o Operation) operation() (kv.Operation, error) {
	var op kv.Operation
	switch o.Op {
	case "put":
		op.Kind = kv.KindPut
	case "get":
		op.Kind = kv.KindGet
	case "delete":
		op.Kind = kv.KindDelete
	case "increment":
		op.Kind = kv.KindIncrement
	case "":
		return op, kv.Invalid("op", "the field is missing; it has to be put, get, delete or increment")
	default:
		return op, errUnknownOp
	}
	if err := o.checkFields(op.Kind); err != nil {
		return op, err
	}
	key, err := kv.DecodeKey(o.Key, o.KeyEncoding)
	if err != nil {
		return op, err
	}
	op.Key = key
	op.Value = o.Value
	op.ContentType = o.ContentType
	op.Meta = o.Meta
	if o.TTL != "" {
		if op.TTL, err = ParseTTL("ttl", o.TTL); err != nil {
			return op, err
		}
	}
	if o.By != nil {
		op.By = *o.By
	}
	if o.IfVersion != nil {
		op.If.Versions = []kv.Version{*o.IfVersion}
	}
	op.If.Absent = o.IfAbsent != nil && *o.IfAbsent
	return op, nil
}

// checkFields refuses fields that the kind does not have, and missing ones.
func (o Operation) checkFields(kind kv.Kind) error {
	foreign := func(field string) error {
		return kv.Invalid(field, "the field does not belong to the operation %s", kind)
	}
	if kind != kv.KindPut {
		switch {
		case o.Value != nil:
			return foreign("value")
		case o.ContentType != "":
			return foreign("content_type")
		case o.Meta != nil:
			return foreign("meta")
		case o.TTL != "":
			return foreign("ttl")
		}
	}
	if kind != kv.KindIncrement && o.By != nil {
		return foreign("by")
	}
	if kind == kv.KindGet {
		switch {
		case o.IfVersion != nil:
			return foreign("if_version")
		case o.IfAbsent != nil:
			return foreign("if_absent")
		}
	}
	switch {
	case kind == kv.KindPut && o.Value == nil:
		return kv.Invalid("value", `the field is missing; the empty value is ""`)
	case kind == kv.KindIncrement && o.By == nil:
		return kv.Invalid("by", "the field is missing; it has to be an integer")
	}
	return nil
}

// ParseTTL reads a time to live and refuses one out of range, 0 included.
func ParseTTL(field, text string) (time.Duration, error) {
	ttl, err := time.ParseDuration(text)
	if err != nil {
		return 0, kv.Invalid(field, "the time to live has to be a duration such as 90s or 1h30m")
	}
	return ttl, kv.CheckTTL(field, ttl)
}
