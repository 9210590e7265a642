package pebble

import (
	"encoding/binary"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Every row's key starts with the byte of its table. Namespace names never
// hold a zero byte, so one ends them; DESIGN.md draws the whole layout.
const (
	tableMeta       = 'm' // format, state
	tableNamespace  = 'n' // namespace -> settings and usage
	tableCurrent    = 'c' // namespace, key -> state
	tableHistory    = 'h' // namespace, length of key, key, inverted version -> state
	tableChange     = 'l' // namespace, position -> change
	tableExpiry     = 'x' // time, namespace, key -> nothing
	tableRecord     = 'w' // write id -> record
	tableRecordTime = 'y' // time, write id -> nothing
)

var (
	formatKey = []byte{tableMeta, 'f'}
	stateKey  = []byte{tableMeta, 's'}
)

// Lengths of the longest keys, for buffers that need not grow.
const (
	maxNamespaceBytes = 63
	maxRowKeyBytes    = 1 + maxNamespaceBytes + 1 + 2 + kv.MaxKeyBytes + 8
)

func namespaceKey(buf []byte, ns string) []byte {
	return append(append(buf, tableNamespace), ns...)
}

// inNamespace starts a key of a table that is ordered by namespace.
func inNamespace(buf []byte, table byte, ns string) []byte {
	return append(append(append(buf, table), ns...), 0)
}

// namespaceBounds gives the range of a namespace's rows in a table.
func namespaceBounds(table byte, ns string) (lower, upper []byte) {
	lower = inNamespace(nil, table, ns)
	upper = inNamespace(nil, table, ns)
	upper[len(upper)-1] = 1
	return lower, upper
}

func currentKey(buf []byte, ns, key string) []byte {
	return append(inNamespace(buf, tableCurrent, ns), key...)
}

// historyPrefix starts the rows of one key's versions; the key's length comes
// first, so that no key's rows lie among another's.
func historyPrefix(buf []byte, ns, key string) []byte {
	buf = inNamespace(buf, tableHistory, ns)
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(key))) //nolint:gosec // at most MaxKeyBytes
	return append(buf, key...)
}

// historyKey inverts the version, so that the newest comes first.
func historyKey(buf []byte, ns, key string, v kv.Version) []byte {
	return binary.BigEndian.AppendUint64(historyPrefix(buf, ns, key), ^uint64(v)) //nolint:gosec // bits
}

func changeKey(buf []byte, ns string, p kv.Position) []byte {
	return binary.BigEndian.AppendUint64(inNamespace(buf, tableChange, ns), uint64(p)) //nolint:gosec // positive
}

// changePosition is the position that a row of [changeKey] names.
func changePosition(row []byte) kv.Position {
	return kv.Position(binary.BigEndian.Uint64(row[len(row)-8:])) //nolint:gosec // positive
}

// expiryKey orders entries by the time at which they expire, in µs.
func expiryKey(buf []byte, at int64, ns, key string) []byte {
	buf = binary.BigEndian.AppendUint64(append(buf, tableExpiry), uint64(at)) //nolint:gosec // after 1970
	buf = append(append(buf, ns...), 0)
	return append(buf, key...)
}

// splitExpiryKey is the inverse of [expiryKey].
func splitExpiryKey(row []byte) (at int64, ns, key string, ok bool) {
	if len(row) < 9 {
		return 0, "", "", false
	}
	at = int64(binary.BigEndian.Uint64(row[1:9])) //nolint:gosec // after 1970
	rest := row[9:]
	for i, b := range rest {
		if b == 0 {
			return at, string(rest[:i]), string(rest[i+1:]), true
		}
	}
	return 0, "", "", false
}

func recordKey(buf []byte, id kv.WriteID) []byte {
	return append(append(buf, tableRecord), id[:]...)
}

// recordTimeKey orders records by the time at which they were written, in µs.
func recordTimeKey(buf []byte, at int64, id kv.WriteID) []byte {
	buf = binary.BigEndian.AppendUint64(append(buf, tableRecordTime), uint64(at)) //nolint:gosec // after 1970
	return append(buf, id[:]...)
}
