package redis

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	"github.com/trivetkv/trivet/pkg/cache"
)

// name gives the name of a key in Redis. The braces have a cluster divide the
// keys by all of their name, whatever braces keys have.
func (c *Cache) name(number int64, key cache.Key) string {
	return string(c.appendName(make([]byte, 0, 64+len(key.Namespace)+len(key.Key)), number, key))
}

func (c *Cache) appendName(b []byte, number int64, key cache.Key) []byte {
	b = append(b, "{}"...)
	b = append(b, c.address.prefix...)
	b = append(b, ':')
	b = append(b, formatVersion...)
	b = strconv.AppendInt(b, number, 36)
	b = append(b, ':')
	b = append(b, key.Namespace...)
	b = append(b, '/')
	return append(b, key.Key...)
}

// formatVersion tells values of this form from those of releases that write
// another.
const formatVersion = "1."

// id gives a mark's or a lease's eight bytes.
func id(n uint64) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return string(b[:])
}

func newLease() cache.Lease {
	for {
		if l := cache.Lease(rand.Uint64()); l != 0 { //nolint:gosec // has to be unique, not secret
			return l
		}
	}
}
