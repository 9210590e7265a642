package pebble

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// inlineLimit is the size, in bytes, up to which a value lies in its key's
// current row. Such a value is copied into the history when it is superseded.
// A larger one is written once, to the history, when it is put.
const inlineLimit = 1 << 10

// stateKind is what the last change made of a key.
type stateKind byte

const (
	stateLive stateKind = iota
	stateDeleted
	stateExpired
)

// change is the kind under which the log and the history show the state.
func (k stateKind) change() kv.ChangeKind {
	switch k {
	case stateLive:
		return kv.ChangePut
	case stateDeleted:
		return kv.ChangeDelete
	default:
		return kv.ChangeExpire
	}
}

// state is what one change left of a key: an entry or a tombstone. Current and
// history rows hold it in the same form. Times are µs since 1970.
type state struct {
	kind        stateKind
	version     kv.Version
	position    kv.Position
	created     int64
	updated     int64
	expires     int64 // 0: never
	size        int64 // of the value
	external    bool  // the value lies in the history row only
	contentType string
	meta        []byte // as encodeMeta wrote it
	value       []byte // nil while it was not read from the history row
}

// live tells whether the state is an entry that has not expired, at time now.
func (s *state) live(now int64) bool {
	return s != nil && s.kind == stateLive && (s.expires == 0 || now < s.expires)
}

// lapsed tells whether the state is an entry that has expired and is unswept.
func (s *state) lapsed(now int64) bool {
	return s != nil && s.kind == stateLive && s.expires != 0 && now >= s.expires
}

func (s *state) lastVersion() kv.Version {
	if s == nil {
		return 0
	}
	return s.version
}

// entry shows the state as the entry of a key.
func (s *state) entry(key string, now int64) (kv.Entry, error) {
	meta, err := decodeMeta(s.meta)
	if err != nil {
		return kv.Entry{}, err
	}
	e := kv.Entry{
		Key:         key,
		Version:     s.version,
		Value:       s.value,
		Size:        s.size,
		ContentType: s.contentType,
		Meta:        meta,
		CreatedAt:   time.UnixMicro(s.created).UTC(),
		UpdatedAt:   time.UnixMicro(s.updated).UTC(),
		Position:    s.position,
		Source:      kv.SourceDatabase,
	}
	if s.expires != 0 {
		e.ExpiresAt = time.UnixMicro(s.expires).UTC()
		e.TTLLeft = time.Duration(s.expires-now) * time.Microsecond
	}
	return e, nil
}

// Bits of a state's first byte, above the two of its kind.
const (
	stateKindMask    = 0b11
	stateExternal    = 1 << 2
	stateExpires     = 1 << 3
	stateContentType = 1 << 4
	stateMeta        = 1 << 5
)

// appendState encodes a state. A current row leaves an external value out.
func appendState(buf []byte, s *state, withValue bool) []byte {
	flags := byte(s.kind)
	if s.external {
		flags |= stateExternal
	}
	if s.expires != 0 {
		flags |= stateExpires
	}
	if s.contentType != "" {
		flags |= stateContentType
	}
	if len(s.meta) > 0 {
		flags |= stateMeta
	}
	buf = append(buf, flags)
	buf = binary.AppendUvarint(buf, uint64(s.version))  //nolint:gosec // positive
	buf = binary.AppendUvarint(buf, uint64(s.position)) //nolint:gosec // positive
	buf = binary.AppendVarint(buf, s.updated)
	buf = binary.AppendVarint(buf, s.created-s.updated)
	buf = binary.AppendUvarint(buf, uint64(s.size)) //nolint:gosec // positive
	if s.expires != 0 {
		buf = binary.AppendVarint(buf, s.expires-s.updated)
	}
	if s.contentType != "" {
		buf = binary.AppendUvarint(buf, uint64(len(s.contentType)))
		buf = append(buf, s.contentType...)
	}
	if len(s.meta) > 0 {
		buf = binary.AppendUvarint(buf, uint64(len(s.meta)))
		buf = append(buf, s.meta...)
	}
	if withValue {
		buf = append(buf, s.value...)
	}
	return buf
}

var errRow = errors.New("a row of the store cannot be decoded")

// decodeState reads a row into s. Metadata and value alias row: clone them
// before the row goes.
func decodeState(row []byte, s *state) error {
	r := reader{rest: row}
	flags := r.byte()
	*s = state{
		kind:     stateKind(flags & stateKindMask),
		external: flags&stateExternal != 0,
		version:  kv.Version(r.positive()),
		position: kv.Position(r.positive()),
	}
	s.updated = r.varint()
	s.created = s.updated + r.varint()
	s.size = r.positive()
	if flags&stateExpires != 0 {
		s.expires = s.updated + r.varint()
	}
	if flags&stateContentType != 0 {
		s.contentType = internContentType(r.bytes())
	}
	if flags&stateMeta != 0 {
		s.meta = r.bytes()
	}
	if r.failed || s.kind > stateExpired || s.version <= 0 {
		return errRow
	}
	if s.kind != stateLive || len(r.rest) == 0 && s.external {
		return nil
	}
	if int64(len(r.rest)) != s.size {
		return errRow
	}
	s.value = r.rest
	return nil
}

// detach makes metadata and value the state's own.
func (s *state) detach() {
	s.meta = slices.Clone(s.meta)
	s.value = cloneValue(s.value)
}

// cloneValue copies a value; one that is empty, rather than absent, stays so.
func cloneValue(v []byte) []byte {
	if v == nil {
		return nil
	}
	c := make([]byte, len(v))
	copy(c, v)
	return c
}

// internContentType spares the allocation for the types that most values have.
func internContentType(b []byte) string {
	switch string(b) {
	case "application/json":
		return "application/json"
	case "application/octet-stream":
		return "application/octet-stream"
	case "application/x-www-form-urlencoded":
		return "application/x-www-form-urlencoded"
	case kv.CounterContentType:
		return kv.CounterContentType
	case "text/plain; charset=utf-8":
		return "text/plain; charset=utf-8"
	}
	return string(b)
}

// encodeMeta writes names and values in the order of the names; nil for none.
func encodeMeta(meta map[string]string) []byte {
	if len(meta) == 0 {
		return nil
	}
	names := make([]string, 0, len(meta))
	for name := range meta {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	buf := binary.AppendUvarint(nil, uint64(len(names)))
	for _, name := range names {
		for _, s := range [2]string{name, meta[name]} {
			buf = binary.AppendUvarint(buf, uint64(len(s)))
			buf = append(buf, s...)
		}
	}
	return buf
}

func decodeMeta(buf []byte) (map[string]string, error) {
	if len(buf) == 0 {
		return nil, nil
	}
	r := reader{rest: buf}
	n := r.positive()
	if n > kv.MaxMetaPairs {
		return nil, errRow
	}
	meta := make(map[string]string, n)
	for range n {
		name := string(r.bytes())
		meta[name] = string(r.bytes())
	}
	if r.failed {
		return nil, errRow
	}
	return meta, nil
}

// reader takes a row apart and remembers whether it was too short.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// positive reads a number that is never negative.
func (r *reader) positive() int64 {
	v := r.uvarint()
	if v > math.MaxInt64 {
		r.failed = true
		return 0
	}
	return int64(v)
}

// bytes reads a length and so many bytes, which alias the row.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// take reads n bytes, which alias the row.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.failed, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
