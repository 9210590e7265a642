package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// valueBytes is the size of every value.
const valueBytes = 100

// dataset holds keys and values in the forms in which they travel, so that
// making a request costs the generator as little as possible, and the same for
// every system.
type dataset struct {
	keys   []item
	values []item // random bytes, which do not compress
}

type item struct {
	raw    []byte
	base64 []byte
}

func newItem(raw []byte) item {
	return item{raw, base64.StdEncoding.AppendEncode(nil, raw)}
}

func newDataset(keys int) *dataset {
	d := &dataset{keys: make([]item, keys), values: make([]item, 1024)}
	for i := range d.keys {
		d.keys[i] = newItem(fmt.Appendf(nil, "user/%08d", i))
	}
	rng := rand.NewChaCha8([32]byte{1})
	for i := range d.values {
		value := make([]byte, valueBytes)
		_, _ = rng.Read(value) // never fails
		d.values[i] = newItem(value)
	}
	return d
}

func (d *dataset) key(rng *rand.Rand) *item   { return &d.keys[rng.IntN(len(d.keys))] }
func (d *dataset) value(rng *rand.Rand) *item { return &d.values[rng.IntN(len(d.values))] }
