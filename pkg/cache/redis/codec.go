package redis

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
	"unsafe"

	"github.com/trivetkv/trivet/pkg/kv"
)

// The first bytes of what is kept of a key, and where its parts are. The
// scripts write and read the head; the packed rest of an entry is for this file
// alone.
const (
	kindEntry  = 'E'
	kindAbsent = 'A'
	kindState  = 'S'

	atVersion = 1
	atExpires = 9
	headBytes = 17
)

// Packed: four 64-bit numbers, the content type and the number of metadata
// pairs, then the pairs, each text behind its length, and the value.
const (
	atPosition  = headBytes
	atCreated   = atPosition + 8
	atUpdated   = atCreated + 8
	atExpiresAt = atUpdated + 8
	atTexts     = atExpiresAt + 8
)

var errMalformed = errors.New("the cache holds a value that this version does not understand")

// pack gives what is stored of an entry behind its head.
func pack(e *kv.Entry) []byte {
	size := atTexts - headBytes + 2*binary.MaxVarintLen16 + len(e.ContentType) + len(e.Value)
	for name, value := range e.Meta {
		size += 2*binary.MaxVarintLen16 + len(name) + len(value)
	}
	b := make([]byte, 0, size)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Position)) //nolint:gosec // read back as it is written
	b = appendTime(b, e.CreatedAt)
	b = appendTime(b, e.UpdatedAt)
	b = appendTime(b, e.ExpiresAt)
	b = appendText(b, e.ContentType)
	b = binary.AppendUvarint(b, uint64(len(e.Meta)))
	for name, value := range e.Meta {
		b = appendText(b, name)
		b = appendText(b, value)
	}
	return append(b, e.Value...)
}

// unpack reads an entry. Its texts and its value are parts of s. now is the
// server's time in µs: what is left of a time to live is measured against it.
func unpack(s, key string, now int64) (e kv.Entry, absent bool, err error) {
	if len(s) < atTexts || s[0] != kindEntry && s[0] != kindAbsent {
		return e, false, errMalformed
	}
	e.Key = key
	e.Source = kv.SourceCache
	e.Version = kv.Version(numberAt(s, atVersion))
	e.Position = kv.Position(numberAt(s, atPosition))
	if s[0] == kindAbsent {
		return e, true, nil
	}
	e.CreatedAt, e.UpdatedAt, e.ExpiresAt = timeAt(s, atCreated), timeAt(s, atUpdated), timeAt(s, atExpiresAt)
	if expires := numberAt(s, atExpires); expires != 0 {
		e.TTLLeft = time.Duration(expires-now) * time.Microsecond
	}
	rest := s[atTexts:]
	contentType, rest, ok := cutText(rest)
	if !ok {
		return e, false, errMalformed
	}
	e.ContentType = contentType
	pairs, rest, ok := cutUvarint(rest)
	if !ok || pairs > kv.MaxMetaPairs {
		return e, false, errMalformed
	}
	if pairs > 0 {
		e.Meta = make(map[string]string, pairs)
	}
	for range pairs {
		var name, value string
		name, rest, ok = cutText(rest)
		if ok {
			value, rest, ok = cutText(rest)
		}
		if !ok {
			return e, false, errMalformed
		}
		e.Meta[name] = value
	}
	e.Value = bytesOf(rest)
	e.Size = int64(len(rest))
	return e, false, nil
}

// expiryOf gives an entry's deadline in µs by the server's clock, 0 for none.
func expiryOf(s string) int64 { return numberAt(s, atExpires) }

// isEntry tells whether what is kept of a key is an entry.
func isEntry(s string) bool { return len(s) >= headBytes && (s[0] == kindEntry || s[0] == kindAbsent) }

// noTime stands for the zero time.
const noTime = math.MinInt64

func appendTime(b []byte, t time.Time) []byte {
	n := int64(noTime)
	if !t.IsZero() {
		n = t.UnixNano()
	}
	return binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // read back as it is written
}

func timeAt(s string, at int) time.Time {
	n := numberAt(s, at)
	if n == noTime {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func numberAt(s string, at int) int64 {
	return int64(binary.LittleEndian.Uint64(bytesOf(s[at : at+8]))) //nolint:gosec // written from an int64
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func cutText(s string) (text, rest string, ok bool) {
	n, rest, ok := cutUvarint(s)
	if !ok || n > uint64(len(rest)) {
		return "", "", false
	}
	return rest[:n], rest[n:], true
}

func cutUvarint(s string) (n uint64, rest string, ok bool) {
	n, length := binary.Uvarint(bytesOf(s))
	if length <= 0 {
		return 0, "", false
	}
	return n, s[length:], true
}

// bytesOf gives the bytes of s without copying them. Nobody writes to them: a
// value belongs to the cache.
func bytesOf(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
