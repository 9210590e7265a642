package pebble

import (
	"encoding/binary"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// head is where the store has come to: one row, which every batch rewrites.
type head struct {
	sequence int64       // of the last batch
	position kv.Position // of the last change
	floor    kv.Version  // new versions are above it
}

func appendHead(buf []byte, h head) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(h.sequence)) //nolint:gosec // positive
	buf = binary.BigEndian.AppendUint64(buf, uint64(h.position)) //nolint:gosec // positive
	return binary.BigEndian.AppendUint64(buf, uint64(h.floor))   //nolint:gosec // positive
}

func decodeHead(row []byte) (head, error) {
	if len(row) != 24 {
		return head{}, errRow
	}
	return head{
		sequence: int64(binary.BigEndian.Uint64(row)),                  //nolint:gosec // positive
		position: kv.Position(binary.BigEndian.Uint64(row[8:])),        //nolint:gosec // positive
		floor:    kv.Version(int64(binary.BigEndian.Uint64(row[16:]))), //nolint:gosec // positive
	}, nil
}

// changeRow is one row of the change log; its key holds the position.
type changeRow struct {
	kind        stateKind
	version     kv.Version
	previous    kv.Version // the version that it superseded, 0 for none
	at          int64      // µs
	size        int64      // of the value
	key         string
	contentType string
}

func appendChange(buf []byte, c *changeRow) []byte {
	buf = append(buf, byte(c.kind))
	buf = binary.AppendUvarint(buf, uint64(c.version))  //nolint:gosec // positive
	buf = binary.AppendUvarint(buf, uint64(c.previous)) //nolint:gosec // positive
	buf = binary.AppendVarint(buf, c.at)
	buf = binary.AppendUvarint(buf, uint64(c.size)) //nolint:gosec // positive
	buf = binary.AppendUvarint(buf, uint64(len(c.key)))
	buf = append(buf, c.key...)
	return append(buf, c.contentType...)
}

func decodeChange(row []byte) (changeRow, error) {
	r := reader{rest: row}
	c := changeRow{
		kind:     stateKind(r.byte()),
		version:  kv.Version(r.positive()),
		previous: kv.Version(r.positive()),
		at:       r.varint(),
		size:     r.positive(),
	}
	c.key = string(r.bytes())
	c.contentType = internContentType(r.rest)
	if r.failed || c.kind > stateExpired {
		return changeRow{}, errRow
	}
	return c, nil
}

// namespaceRow holds a namespace's settings and usage.
type namespaceRow struct {
	defaultTTL time.Duration
	retention  time.Duration
	maxKeys    int64
	maxBytes   int64
	keys       int64
	bytes      int64
	trimmed    kv.Position // of the last change that compaction removed
}

func newNamespaceRow() namespaceRow { return namespaceRow{retention: kv.DefaultRetention} }

func appendNamespace(buf []byte, n *namespaceRow) []byte {
	for _, v := range [...]int64{int64(n.defaultTTL), int64(n.retention), n.maxKeys, n.maxBytes, n.keys, n.bytes, int64(n.trimmed)} {
		buf = binary.AppendVarint(buf, v)
	}
	return buf
}

func decodeNamespace(row []byte) (namespaceRow, error) {
	r := reader{rest: row}
	n := namespaceRow{
		defaultTTL: time.Duration(r.varint()),
		retention:  time.Duration(r.varint()),
		maxKeys:    r.varint(),
		maxBytes:   r.varint(),
		keys:       r.varint(),
		bytes:      r.varint(),
		trimmed:    kv.Position(r.varint()),
	}
	if r.failed {
		return namespaceRow{}, errRow
	}
	return n, nil
}
