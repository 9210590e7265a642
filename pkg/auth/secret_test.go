package auth

import (
	"hash/crc32"
	"strings"
	"testing"
)

func TestTokensHaveACRC32(t *testing.T) {
	t.Parallel()
	for range 100 {
		text := newToken(newID())
		body, check := text[:tokenLength-checkLength], text[tokenLength-checkLength:]
		sum := uint32(0)
		for _, c := range check {
			sum = sum*uint32(len(base62)) + uint32(strings.IndexRune(base62, c))
		}
		if want := crc32.ChecksumIEEE([]byte(body)); sum != want {
			t.Fatalf("%s has the checksum %x, want %x", text, sum, want)
		}
	}
}

// Every token can be told apart from a text with one character changed.
func TestOneWrongCharacterIsNoToken(t *testing.T) {
	t.Parallel()
	text := newToken(newID())
	if _, ok := parseToken(text); !ok {
		t.Fatal("a new token is none")
	}
	for i := range text {
		for _, c := range []byte("0aZ_ ") {
			if changed := text[:i] + string(c) + text[i+1:]; changed != text {
				if _, ok := parseToken(changed); ok {
					t.Errorf("%q passes for a token", changed)
				}
			}
		}
	}
}
