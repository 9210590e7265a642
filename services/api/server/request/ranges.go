package request

import "strings"

// Range is a part of a value.
type Range struct{ Start, Length int64 }

// ParseRange reads a Range header for a value of size bytes. What is malformed,
// counts in another unit or names several ranges is ignored, as HTTP allows
// (RFC 9110, 14.2): ok is false then. A range that begins behind the value is
// not satisfiable.
func ParseRange(header string, size int64) (r Range, ok, satisfiable bool) {
	unit, spec, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(unit, "bytes") {
		return r, false, true
	}
	first, last, found := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !found {
		return r, false, true
	}
	if first == "" {
		return suffixRange(last, size)
	}
	start, digits := saturatingDecimal(first)
	if !digits {
		return r, false, true
	}
	end := size - 1
	if last != "" {
		n, digits := saturatingDecimal(last)
		if !digits || n < start {
			return r, false, true
		}
		end = min(end, n)
	}
	if start >= size {
		return r, true, false
	}
	return Range{Start: start, Length: end - start + 1}, true, true
}

// suffixRange is the last bytes of a value.
func suffixRange(text string, size int64) (r Range, ok, satisfiable bool) {
	n, digits := saturatingDecimal(text)
	if !digits {
		return r, false, true
	}
	if n == 0 || size == 0 {
		return r, true, false
	}
	n = min(n, size)
	return Range{Start: size - n, Length: n}, true, true
}
