package deferred

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var (
	errCut    = errors.New("it is cut off")
	errNumber = errors.New("a number is malformed")
	errValue  = errors.New("an operation that is no put carries a value")
)

// reader takes fields off the front of rest. After the first error every field
// is empty, so that callers look at err once, at the end.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) operation() kv.Operation {
	op := kv.Operation{Kind: kv.Kind(r.byte()), Key: string(r.text())}
	if value := r.text(); op.Kind == kv.KindPut {
		op.Value = value
	} else if len(value) > 0 {
		r.fail(errValue)
	}
	op.ContentType = string(r.text())
	op.Meta = r.meta()
	op.TTL = time.Duration(r.varint())
	op.By = r.varint()
	op.Restore = kv.Version(r.varint())
	op.If = r.condition()
	return op
}

func (r *reader) meta() map[string]string {
	n := r.count(2) // a pair has at least two length bytes
	if n == 0 {
		return nil
	}
	meta := make(map[string]string, n)
	for range n {
		name := string(r.text())
		meta[name] = string(r.text())
	}
	return meta
}

func (r *reader) condition() kv.Condition {
	bits := r.byte()
	if bits&^conditionBits != 0 {
		r.fail(fmt.Errorf("unknown condition bits %#x", bits))
	}
	c := kv.Condition{Absent: bits&conditionAbsent != 0, Exists: bits&conditionExists != 0}
	if bits&conditionVersions == 0 {
		return c
	}
	c.Versions = make([]kv.Version, r.count(1))
	for i := range c.Versions {
		c.Versions[i] = kv.Version(r.varint())
	}
	return c
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) text() []byte {
	n := r.count(1)
	return r.bytes(n)
}

// count reads how many elements follow, and refuses more than the rest could
// hold: a forged count must not allocate.
func (r *reader) count(elementBytes int) int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail(errNumber)
		return 0
	}
	r.rest = r.rest[size:]
	if n > uint64(len(r.rest)/elementBytes) { //nolint:gosec // a length is not negative
		r.fail(errCut)
		return 0
	}
	return int(n) //nolint:gosec // bounded by the length of a slice
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail(errNumber)
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// bytes takes n bytes, nil when there are fewer.
func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.fail(errCut)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}
