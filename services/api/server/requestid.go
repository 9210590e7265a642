package server

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync/atomic"
)

// requestIDs makes ids that are unique for this process's life and, by their
// prefix, among processes.
type requestIDs struct {
	prefix string
	last   atomic.Uint64
}

func newRequestIDs() *requestIDs {
	var random [6]byte
	_, _ = rand.Read(random[:]) // crypto/rand never fails
	return &requestIDs{prefix: hex.EncodeToString(random[:]) + "-"}
}

// of gives the request's own id where it has a usable one, so that a caller's
// traces and these logs meet, else a new one.
func (ids *requestIDs) of(h http.Header) string {
	if given := h["X-Request-Id"]; len(given) == 1 && isRequestID(given[0]) {
		return given[0]
	}
	var buf [32]byte
	b := append(buf[:0], ids.prefix...)
	return string(strconv.AppendUint(b, ids.last.Add(1), 36))
}

func isRequestID(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
