package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// file is a response that is the same for as long as the process lives, kept
// compressed.
type file struct {
	contentType string
	policy      string // Content-Security-Policy
	tag         string // ETag, without the quotes
	compressed  []byte
}

// newFile makes a file of its content.
func newFile(contentType, policy string, content []byte) *file {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, _ = writer.Write(content) // a buffer takes everything
	_ = writer.Close()
	return newCompressedFile(contentType, policy, compressed.Bytes())
}

func newCompressedFile(contentType, policy string, compressed []byte) *file {
	sum := sha256.Sum256(compressed)
	return &file{contentType, policy, hex.EncodeToString(sum[:12]), compressed}
}

// ServeHTTP answers the file, or 304 to a client that has it.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	compress := acceptsGzip(r.Header)
	tag := `"` + f.tag + `"`
	if compress {
		tag = `"` + f.tag + `-gzip"` // a strong tag is of the bytes that are sent
	}
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // keep it, and ask whether it has changed
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	if f.policy != "" {
		h.Set("Content-Security-Policy", f.policy)
		h.Set("Referrer-Policy", "no-referrer")
	}
	if compress {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", fmt.Sprint(len(f.compressed)))
		_, _ = w.Write(f.compressed) // the client has gone when this fails
		return
	}
	if reader, err := gzip.NewReader(bytes.NewReader(f.compressed)); err == nil { // it was compressed here
		_, _ = io.Copy(w, reader) //nolint:gosec // of a known size
	}
}

// acceptsGzip tells whether a client takes gzip: named, and not with q=0.
func acceptsGzip(h http.Header) bool {
	for element := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, parameter, _ := strings.Cut(element, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			weight := strings.TrimLeft(strings.TrimSpace(parameter), "q= ")
			return weight == "" || strings.Trim(weight, "0.") != ""
		}
	}
	return false
}
