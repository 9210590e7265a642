package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"strings"
)

// A token reads tvt_ID_SECRETCHECK: an id of 12 characters that may be shown
// and logged, a secret of 32, and a checksum of 6 over all before it, so that
// a mistyped or truncated token is refused without a look-up and a leaked one
// is found by scanners. All are base62; the secret has 190 bits.
const (
	tokenPrefix   = "tvt_"
	idLength      = 12
	secretLength  = 32
	checkLength   = 6
	tokenLength   = len(tokenPrefix) + idLength + 1 + secretLength + checkLength
	base62        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	rejectionByte = 256 - 256%len(base62) // bytes from here on would favour the first characters
)

// Digest is the SHA-256 of a whole token, the only form in which it is kept.
// A plain hash is enough: 190 random bits cannot be guessed.
type Digest [sha256.Size]byte

// newToken draws the text of a token for an id.
func newToken(id string) string {
	body := tokenPrefix + id + "_" + random(secretLength)
	check := checksum(body)
	return body + string(check[:])
}

func newID() string { return random(idLength) }

// isID tells whether a text could be a token's id.
func isID(text string) bool { return len(text) == idLength && strings.Trim(text, base62) == "" }

// parseToken gives the id of a well-formed token.
func parseToken(text string) (id string, ok bool) {
	if len(text) != tokenLength || !strings.HasPrefix(text, tokenPrefix) {
		return "", false
	}
	body, check := text[:tokenLength-checkLength], text[tokenLength-checkLength:]
	if want := checksum(body); string(want[:]) != check {
		return "", false
	}
	id, _, ok = strings.Cut(body[len(tokenPrefix):], "_")
	return id, ok && len(id) == idLength
}

func digestOf(token string) Digest {
	var buffer [128]byte // keeps tokens of the usual length off the heap
	return sha256.Sum256(append(buffer[:0], token...))
}

func random(n int) string {
	out := make([]byte, 0, n)
	var draw [64]byte
	for len(out) < n {
		_, _ = rand.Read(draw[:]) // never fails: the program ends where the system has no randomness
		for _, b := range draw {
			if int(b) < rejectionByte && len(out) < n {
				out = append(out, base62[int(b)%len(base62)])
			}
		}
	}
	return string(out)
}

// checksum is the CRC-32 of a token's beginning, in base62. It is made here, a
// byte at a time, because the standard library's own needs the text on the heap.
func checksum(body string) (out [checkLength]byte) {
	sum := ^uint32(0)
	for i := range len(body) {
		sum = crc32.IEEETable[byte(sum&0xff)^body[i]] ^ sum>>8
	}
	sum = ^sum
	for i := checkLength - 1; i >= 0; i-- {
		out[i] = base62[sum%uint32(len(base62))]
		sum /= uint32(len(base62))
	}
	return out
}
