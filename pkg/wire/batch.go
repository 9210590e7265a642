package wire

import (
	"fmt"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Batch is the body of a batch.
type Batch struct {
	Operations []Operation `json:"operations"`
}

// BatchResults is the answer to a batch: one result for each operation.
type BatchResults struct {
	Results []Result `json:"results"`
}

// DecodeBatch reads a batch strictly. Its operations are not checked yet:
// each may be refused by itself ([Operation.KV]).
func DecodeBatch(data []byte) (Batch, error) {
	var b Batch
	missing := true
	d := decoder{data: data}
	err := d.document(func(name string) error {
		if name != "operations" {
			return errUnknownField
		}
		missing = false
		var err error
		b.Operations, err = d.operations(kv.MaxBatchOperations, "a batch")
		return err
	})
	switch {
	case err != nil:
		return Batch{}, err
	case missing:
		return Batch{}, kv.Invalid("operations", "the field is missing; it has to be an array of operations")
	}
	return b, nil
}

func (d *decoder) operations(limit int, owner string) ([]Operation, error) {
	ops := []Operation{}
	err := d.array(func() error {
		if len(ops) == limit {
			return &tooMany{fmt.Sprintf("%s may have at most %d operations", owner, limit)}
		}
		op, err := d.operation()
		ops = append(ops, op)
		return err
	})
	return ops, err
}

func (d *decoder) operation() (Operation, error) {
	var op Operation
	err := d.object(func(name string) (err error) {
		switch name {
		case "op":
			op.Op, err = d.text()
		case "key":
			op.Key, err = d.text()
		case "key_encoding":
			op.KeyEncoding, err = d.keyEncoding()
		case "value":
			op.Value, err = d.bytes()
		case "content_type":
			op.ContentType, err = d.text()
		case "meta":
			op.Meta, err = d.meta()
		case "ttl":
			op.TTL, err = d.duration()
		case "by":
			op.By, err = d.integer(minInt64, maxInt64)
		case "if_version":
			op.IfVersion, err = d.version()
		case "if_absent":
			op.IfAbsent, err = d.boolean()
		default:
			err = errUnknownField
		}
		return err
	})
	return op, err
}

// meta stops at what kv.CheckMeta would refuse, so that names given twice can
// be found without an index.
func (d *decoder) meta() (map[string]string, error) {
	meta := map[string]string{}
	err := d.object(func(name string) error {
		if len(meta) == kv.MaxMetaPairs {
			return &tooMany{fmt.Sprintf("there may be at most %d metadata pairs", kv.MaxMetaPairs)}
		}
		value, err := d.text()
		meta[name] = value
		return err
	})
	return meta, err
}
