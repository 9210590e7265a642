package server

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// identity makes a write repeatable when the request has an Idempotency-Key:
// the id is of the key within its caller and namespace, the hash of all that
// the request says.
func (c *call) identity(ns string, body []byte) (kv.Identity, error) {
	key, err := request.IdempotencyKey(c.r.Header)
	if key == "" || err != nil {
		return kv.Identity{}, err
	}
	return kv.Identity{
		ID:   kv.DeriveWriteID(c.caller.ID, ns, key),
		Hash: c.requestHash(body),
	}, nil
}

// hashedHeaders change what a write does.
var hashedHeaders = []string{"Content-Type", "If-Match", "If-None-Match", "Trivet-Ttl"}

// requestHash tells requests apart that do different things.
func (c *call) requestHash(body []byte) [32]byte {
	h := requestHasher{sha256.New()}
	h.text(c.r.Method)
	h.text(c.path)
	h.text(c.r.URL.RawQuery)
	for _, name := range hashedHeaders {
		h.texts(c.r.Header[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.r.Header)) {
		if strings.HasPrefix(name, request.MetaPrefix) {
			h.text(name)
			h.texts(c.r.Header[name])
		}
	}
	h.text("")
	_, _ = h.Write(body)
	return [32]byte(h.Sum(nil))
}

// requestHasher writes texts with their lengths, so that what ends one cannot
// begin the next.
type requestHasher struct{ hash.Hash }

func (h requestHasher) text(s string) {
	h.number(len(s))
	_, _ = h.Write([]byte(s))
}

func (h requestHasher) texts(values []string) {
	h.number(len(values))
	for _, value := range values {
		h.text(value)
	}
}

func (h requestHasher) number(n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n)) //nolint:gosec // a length
	_, _ = h.Write(b[:])
}
