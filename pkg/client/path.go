package client

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// path is a path below the base URL, in both its forms.
type path struct {
	decoded string
	encoded string
	query   url.Values // what the path needs beside it
}

// fixed is a path of plain characters.
func fixed(parts ...string) path {
	p := "/" + strings.Join(parts, "/")
	return path{decoded: p, encoded: p}
}

// ofKey puts a key behind a path: percent-encoded, or as base64url where a
// proxy would change or refuse that.
func (p path) ofKey(key string) path {
	if mangled(key) {
		text := base64.RawURLEncoding.EncodeToString([]byte(key))
		return path{
			decoded: p.decoded + "/" + text,
			encoded: p.encoded + "/" + text,
			query:   url.Values{"key_encoding": {kv.KeyEncodingBase64}},
		}
	}
	return path{decoded: p.decoded + "/" + key, encoded: p.encoded + "/" + escape(key)}
}

// then puts a plain segment behind a path.
func (p path) then(segment string) path {
	return path{decoded: p.decoded + "/" + segment, encoded: p.encoded + "/" + segment, query: p.query}
}

// mangled tells a key that does not survive as a path wherever paths are
// cleaned: one with empty or dot segments, or a NUL.
func mangled(key string) bool {
	return strings.IndexByte(key, 0) >= 0 || slices.ContainsFunc(strings.Split(key, "/"), func(segment string) bool {
		return segment == "" || segment == "." || segment == ".."
	})
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"

// escape percent-encodes every byte that could mean something in a path, so
// that what the server reads is the key and nothing else.
func escape(key string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(key) {
		c := key[i]
		if strings.IndexByte(unreserved, c) >= 0 {
			out.WriteByte(c)
			continue
		}
		out.WriteByte('%')
		out.WriteByte(hex[c>>4])
		out.WriteByte(hex[c&15])
	}
	return out.String()
}

// under gives the URL of the path at a server.
func (p path) under(base *url.URL, query url.Values) *url.URL {
	u := *base
	u.Path = base.Path + p.decoded
	u.RawPath = base.EscapedPath() + p.encoded
	all := url.Values{}
	for _, values := range []url.Values{p.query, query} {
		for name, value := range values {
			all[name] = value
		}
	}
	u.RawQuery = all.Encode()
	return &u
}
