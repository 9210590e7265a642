package main

import (
	"context"
	"fmt"

	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

// written is what is printed of a write.
type written struct {
	Key         string     `json:"key"`
	KeyEncoding string     `json:"key_encoding,omitempty"`
	Version     kv.Version `json:"version"`
	Created     *bool      `json:"created,omitempty"` // put, restore
	Value       *int64     `json:"value,omitempty"`   // increment
}

// write runs a write and prints the version that it made, or the number that
// an increment came to.
func (t *terminal) write(ctx context.Context, c *client.Client, ns string, op kv.Operation, output format) error {
	result, err := c.Apply(ctx, ns, op, kv.Identity{})
	if err != nil {
		return err
	}
	if output.isText() {
		number := int64(result.Version)
		if op.Kind == kv.KindIncrement {
			number = result.Number
		}
		_, err = fmt.Fprintln(t.out, number)
		return err
	}
	shape := written{Version: result.Version}
	shape.Key, shape.KeyEncoding = kv.EncodeKey(op.Key)
	switch op.Kind {
	case kv.KindPut, kv.KindRestore:
		shape.Created = &result.Created
	case kv.KindIncrement:
		shape.Value = &result.Number
	case kv.KindGet, kv.KindDelete:
	}
	return output.document(t.out, shape)
}
