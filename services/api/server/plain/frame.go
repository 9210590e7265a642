package plain

import (
	"bytes"
	"strconv"
)

// endOfHead gives the length of a head with its empty line, or -1 where its end
// is not in the buffer.
func endOfHead(buf []byte) int {
	i := bytes.Index(buf, []byte("\r\n\r\n"))
	if i < 0 {
		return -1
	}
	return i + len("\r\n\r\n")
}

// Length tells how long the request at the beginning of a buffer is, its body
// included, of which the buffer may hold a part. It is ok only where nobody
// could read another length from it: the head is there as a whole, its lines
// are well formed, and the body's length is declared once or there is none.
func Length(buf []byte) (length int64, ok bool) {
	end := endOfHead(buf)
	if end < 0 {
		return 0, false
	}
	line, rest, _ := bytes.Cut(buf[:end], []byte("\r\n"))
	if !bytes.HasSuffix(line, []byte(" HTTP/1.1")) || bytes.ContainsAny(line, "\r\n") {
		return 0, false
	}
	var body int64
	declared := false
	for len(rest) > len("\r\n") {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || !token(name) || bytes.ContainsAny(line, "\r\n\x00") {
			return 0, false
		}
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			text := string(bytes.Trim(value, " "))
			n, err := strconv.ParseInt(text, 10, 64)
			if declared || err != nil || !digits(text) {
				return 0, false
			}
			body, declared = n, true
		case bytes.EqualFold(name, []byte("Transfer-Encoding")),
			bytes.EqualFold(name, []byte("Expect")),
			bytes.EqualFold(name, []byte("Upgrade")):
			return 0, false
		}
	}
	return int64(end) + body, true
}

// token tells whether a header's name is one without any doubt: letters,
// digits and hyphens.
func token(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(name) > 0
}
