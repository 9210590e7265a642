// Package deferred is the wire form of an asynchronous write: what the API puts
// into the broker when it answers 202, and what the consumer applies later.
package deferred

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Write is one accepted write that has still to be applied.
type Write struct {
	Namespace  string
	Operation  kv.Operation
	Identity   kv.Identity // Deferred is true after Decode
	AcceptedAt time.Time   // to the microsecond
}

// A message is the format byte, the fields in the order of Encode, and a CRC-32C
// of all that precedes it. Numbers are varints, texts have their length before
// them. A new field needs a new format: messages stay in the broker across
// upgrades, so every format that was ever written has to stay readable.
const format = 1

const checksumBytes = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Bits of the condition.
const (
	conditionAbsent = 1 << iota
	conditionExists
	conditionVersions // a list of versions follows, which may be empty
	conditionBits     = conditionAbsent | conditionExists | conditionVersions
)

// Encode gives the write's wire form.
func (w Write) Encode() []byte {
	op := w.Operation
	buf := make([]byte, 0, 128+len(w.Namespace)+len(op.Key)+len(op.Value)+len(op.ContentType))
	buf = append(buf, format)
	buf = binary.AppendVarint(buf, w.AcceptedAt.UnixMicro())
	buf = append(buf, w.Identity.ID[:]...)
	buf = append(buf, w.Identity.Hash[:]...)
	buf = appendText(buf, w.Namespace)
	buf = append(buf, byte(op.Kind))
	buf = appendText(buf, op.Key)
	buf = appendText(buf, op.Value)
	buf = appendText(buf, op.ContentType)
	buf = binary.AppendUvarint(buf, uint64(len(op.Meta)))
	for _, name := range slices.Sorted(maps.Keys(op.Meta)) {
		buf = appendText(buf, name)
		buf = appendText(buf, op.Meta[name])
	}
	buf = binary.AppendVarint(buf, int64(op.TTL))
	buf = binary.AppendVarint(buf, op.By)
	buf = binary.AppendVarint(buf, int64(op.Restore))
	buf = appendCondition(buf, op.If)
	return binary.BigEndian.AppendUint32(buf, crc32.Checksum(buf, castagnoli))
}

func appendText[T string | []byte](buf []byte, text T) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

func appendCondition(buf []byte, c kv.Condition) []byte {
	var bits byte
	if c.Absent {
		bits |= conditionAbsent
	}
	if c.Exists {
		bits |= conditionExists
	}
	if c.Versions == nil {
		return append(buf, bits)
	}
	buf = append(buf, bits|conditionVersions)
	buf = binary.AppendUvarint(buf, uint64(len(c.Versions)))
	for _, v := range c.Versions {
		buf = binary.AppendVarint(buf, int64(v))
	}
	return buf
}

// Decode is the inverse of [Write.Encode]. The write's value is a part of data,
// which must not be changed afterwards. It says nothing about whether the
// operation is one that a store accepts.
func Decode(data []byte) (Write, error) {
	w, err := decode(data)
	if err != nil {
		return Write{}, fmt.Errorf("decode a deferred write of %d bytes: %w", len(data), err)
	}
	return w, nil
}

func decode(data []byte) (Write, error) {
	if len(data) < 1+checksumBytes {
		return Write{}, errCut
	}
	if data[0] != format {
		return Write{}, fmt.Errorf("unknown format %d; this version reads format %d", data[0], format)
	}
	body, sum := data[:len(data)-checksumBytes], data[len(data)-checksumBytes:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return Write{}, errors.New("the checksum does not match")
	}
	r := reader{rest: body[1:]}
	w := Write{AcceptedAt: time.UnixMicro(r.varint())}
	copy(w.Identity.ID[:], r.bytes(len(w.Identity.ID)))
	copy(w.Identity.Hash[:], r.bytes(len(w.Identity.Hash)))
	w.Identity.Deferred = true
	w.Namespace = string(r.text())
	w.Operation = r.operation()
	switch {
	case r.err != nil:
		return Write{}, r.err
	case len(r.rest) != 0:
		return Write{}, fmt.Errorf("%d bytes follow its end", len(r.rest))
	}
	return w, nil
}
