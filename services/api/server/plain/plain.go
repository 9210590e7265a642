// Package plain reads the simplest form of a request that net/http would read
// too: one that lies in a buffer as a whole, in HTTP/1.1's canonical spelling,
// and needs nothing of a server but to be answered. Whatever is not plain is
// left to net/http, byte for byte; nothing is refused here.
//
// What Parse takes, net/http takes as well, and reads the same from it: a fuzz
// target holds the two side by side.
package plain

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// maxFields bounds the headers of a plain request.
const maxFields = 32

// Request is a plain request. Its zero value is ready for Parse, which may be
// called again and again: the header and what it refers to are then reused.
type Request struct {
	Method string
	Path   string // as it was sent; there is no query
	Host   string
	Header http.Header // without Host
	Body   []byte      // a part of the buffer that was parsed

	values [maxFields]string
}

// Parse reads the request at the beginning of a buffer, and gives its length.
// It is not ok when there is none that is whole and plain.
func (r *Request) Parse(buf []byte) (length int, ok bool) {
	end := endOfHead(buf)
	if end < 0 {
		return 0, false
	}
	line, fields, _ := strings.Cut(string(buf[:end]), "\r\n")
	if !r.requestLine(line) || !r.fields(fields) {
		return 0, false
	}
	n, ok := r.bodyLength()
	if !ok || n > len(buf)-end {
		return 0, false
	}
	r.Body = buf[end : end+n]
	return end + n, true
}

// requestLine reads "GET /path HTTP/1.1".
func (r *Request) requestLine(line string) bool {
	method, target, found := strings.Cut(line, " ")
	if !found {
		return false
	}
	switch method {
	case http.MethodGet, http.MethodPut, http.MethodDelete:
		r.Method = method
	default:
		return false
	}
	r.Path, found = strings.CutSuffix(target, " HTTP/1.1")
	return found && plainPath(r.Path)
}

// plainPath tells whether a path means itself: it is absolute, has no query and
// nothing in it is percent-encoded or would have to be.
func plainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		if !pathBytes[path[i]] {
			return false
		}
	}
	return true
}

// pathBytes are those that RFC 3986 lets a path have as they are.
var pathBytes = byteSet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/")

// hostBytes are those of names, addresses and ports.
var hostBytes = byteSet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]")

func byteSet(members string) (set [256]bool) {
	for i := range len(members) {
		set[members[i]] = true
	}
	return set
}

// fields reads the headers: each there once, on one line, of visible ASCII.
func (r *Request) fields(text string) bool {
	if r.Header == nil {
		r.Header = make(http.Header, maxFields)
	}
	clear(r.Header)
	r.Host = ""
	n := 0
	for text != "\r\n" {
		line, rest, found := strings.Cut(text, "\r\n")
		if !found || n == maxFields {
			return false
		}
		text = rest
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " ")
		if !found || !visible(value) {
			return false
		}
		name, ok := canonical(name)
		if !ok {
			return false
		}
		if name == "Host" {
			if r.Host != "" || !plainHost(value) {
				return false
			}
			r.Host = value
			continue
		}
		if _, twice := r.Header[name]; twice || !plainField(name, value) {
			return false
		}
		r.values[n] = value
		r.Header[name] = r.values[n : n+1 : n+1]
		n++
	}
	return r.Host != ""
}

// plainField tells whether a header says something to the handler alone, and
// nothing to the server that carries the request to it.
func plainField(name, value string) bool {
	switch name {
	case "Connection":
		return strings.EqualFold(value, "keep-alive")
	case "Expect", "Http2-Settings", "Keep-Alive", "Pragma", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return false
	}
	return true
}

// canonical gives a header's name in Go's spelling.
func canonical(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return "", false
		}
	}
	return textproto.CanonicalMIMEHeaderKey(name), true
}

func visible(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

func plainHost(host string) bool {
	for i := range len(host) {
		if !hostBytes[host[i]] {
			return false
		}
	}
	return host != ""
}

// bodyLength gives the length of the body; a PUT alone has one.
func (r *Request) bodyLength() (int, bool) {
	values, declared := r.Header["Content-Length"]
	if !declared {
		return 0, r.Method != http.MethodPut // net/http answers a PUT without a length by itself
	}
	if r.Method != http.MethodPut || len(values[0]) > 9 || !digits(values[0]) {
		return 0, false
	}
	n, err := strconv.Atoi(values[0])
	return n, err == nil
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
