// Package request reads HTTP requests into the types of package kv: paths,
// queries and headers. What is malformed is invalid_argument, with the name of
// the parameter or header as its field.
package request

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// RawPath gives the path as the client sent it, without the query. A decoded
// path cannot tell a%2Fb from a/b when it is split, and cleaned ones lose
// parts of keys.
func RawPath(r *http.Request) string {
	target := r.RequestURI
	if target == "" {
		return r.URL.EscapedPath() // a request that did not come over a connection
	}
	if target[0] != '/' { // the absolute form, as for a proxy: http://host/path
		_, rest, ok := strings.Cut(target, "://")
		slash := strings.IndexByte(rest, '/')
		if !ok || slash < 0 {
			return "/"
		}
		target = rest[slash:]
	}
	if query := strings.IndexByte(target, '?'); query >= 0 {
		target = target[:query]
	}
	return target
}

// Namespace reads a segment of a raw path as a namespace.
func Namespace(segment string) (string, error) {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return "", kv.Invalid("namespace", "the namespace is not percent-encoded as a path has to be")
	}
	return name, kv.CheckNamespace(name)
}

// Key reads the rest of a raw path as a key: percent-encoded bytes, or
// base64url of them, with or without padding.
func Key(rest, encoding string) (string, error) {
	key, err := url.PathUnescape(rest)
	if err != nil {
		return "", kv.Invalid("key", "the key is not percent-encoded as a path has to be")
	}
	switch encoding {
	case "":
	case kv.KeyEncodingBase64:
		raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(key, "="))
		if err != nil {
			return "", kv.Invalid("key", "the key is not base64url, as key_encoding says")
		}
		key = string(raw)
	default:
		return "", kv.Invalid("key_encoding", "unknown key_encoding; it has to be %q or absent", kv.KeyEncodingBase64)
	}
	return key, kv.CheckKey(key)
}
