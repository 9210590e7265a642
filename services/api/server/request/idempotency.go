package request

import (
	"net/http"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// maxIdempotencyKeyBytes is long enough for whatever a client makes unique.
const maxIdempotencyKeyBytes = 255

// IdempotencyKey reads the key under which a write may be repeated, "" when
// the request has none.
func IdempotencyKey(h http.Header) (string, error) {
	values := h["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	key, err := Single("Idempotency-Key", values)
	if err != nil {
		return "", err
	}
	if key == "" || len(key) > maxIdempotencyKeyBytes || strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return "", kv.Invalid("Idempotency-Key", "the key has to be 1 to %d printable ASCII characters", maxIdempotencyKeyBytes)
	}
	return key, nil
}
