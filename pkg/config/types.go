package config

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// formatError is what the types of this package answer to text they cannot
// read. It has no room for the text, which may be a secret.
type formatError struct{ expected string }

func (e *formatError) Error() string { return "expected " + e.expected }

// Address is where a server listens: HOST:PORT, or :PORT for every interface.
// Port 0 takes a free one.
type Address string

// UnmarshalText reads HOST:PORT.
func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, "/@ ") {
		return &formatError{"HOST:PORT or :PORT, such as 127.0.0.1:8080"}
	}
	*a = Address(text)
	return nil
}

// IsLoopback tells whether only this machine can reach the address.
func (a Address) IsLoopback() bool {
	host, _, err := net.SplitHostPort(string(a))
	if err != nil {
		return false
	}
	if host == "localhost" { // RFC 6761 reserves the name for loopback
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Secret is a text that formatting and logging do not show.
type Secret string

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String tells only whether there is a secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// RotatedSecret is a secret that may change while a process runs: one in a file
// is read again by [RotatedSecret.Current]. Formatting does not show it.
type RotatedSecret struct {
	value Secret
	file  string // that it was read from; empty when the variable held it
}

// UnmarshalText reads any text.
func (s *RotatedSecret) UnmarshalText(text []byte) error {
	s.value = Secret(text)
	return nil
}

// IsZero tells whether there is no secret.
func (s RotatedSecret) IsZero() bool { return s.value == "" }

// Current gives the secret as it is now.
func (s RotatedSecret) Current() (string, error) {
	if s.file == "" {
		return s.value.Reveal(), nil
	}
	return readValue(s.file)
}

func (s *RotatedSecret) noteFile(path string) { s.file = path }

// String tells only whether there is a secret.
func (s RotatedSecret) String() string { return s.value.String() }

// GoString is String, for %#v.
func (s RotatedSecret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s RotatedSecret) LogValue() slog.Value { return s.value.LogValue() }

// URL names a backend. It may carry a password, which formatting does not show.
type URL struct {
	parsed *url.URL
	text   string // as it was given, without the password
	file   string // that it was read from; empty when the variable held it
}

// UnmarshalText reads a URL, or a single word such as "none" as its scheme.
func (u *URL) UnmarshalText(text []byte) error {
	parsed, err := url.Parse(string(text))
	if err != nil || parsed.Scheme == "" && !isWord(string(text)) {
		return &formatError{"a URL such as SCHEME://HOST or SCHEME:///DIRECTORY"}
	}
	if parsed.Scheme == "" {
		parsed = &url.URL{Scheme: parsed.Path}
	}
	u.parsed, u.text = parsed, string(text)
	if parsed.User != nil {
		u.text = parsed.Redacted()
	}
	return nil
}

func isWord(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' })
}

// IsZero tells whether there is no URL.
func (u URL) IsZero() bool { return u.parsed == nil }

// Parsed gives the URL's parts, with its password.
func (u URL) Parsed() *url.URL {
	if u.parsed == nil {
		return &url.URL{}
	}
	return u.parsed
}

// File gives the path of the file that the URL was read from, "" when the
// variable held it itself.
func (u URL) File() string { return u.file }

func (u *URL) noteFile(path string) { u.file = path }

// Current gives the URL's parts as they are now: a file is read again, since a
// password in it may have been rotated.
func (u URL) Current() (*url.URL, error) {
	if u.file == "" {
		return u.Parsed(), nil
	}
	text, err := readValue(u.file)
	if err != nil {
		return nil, err
	}
	var now URL
	if err := now.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("the file %s: %w", u.file, err)
	}
	return now.parsed, nil
}

// String gives the URL without its password.
func (u URL) String() string { return u.text }

// LogValue is String, for slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Bytes is a size, written as a number with or without a unit: 1048576, 64KiB,
// 64MiB, 2GiB.
type Bytes int64

var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	i := slices.IndexFunc(units, func(u struct {
		suffix string
		bytes  int64
	}) bool {
		return strings.HasSuffix(string(text), u.suffix)
	})
	n, err := strconv.ParseInt(strings.TrimSuffix(string(text), units[i].suffix), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/units[i].bytes {
		return &formatError{"a size such as 64MiB"}
	}
	*b = Bytes(n * units[i].bytes)
	return nil
}

// oneOf reads a word into dst, one of those that are allowed.
func oneOf[T ~string](dst *T, text []byte, allowed ...T) error {
	if !slices.Contains(allowed, T(text)) {
		words := make([]string, len(allowed))
		for i, a := range allowed {
			words[i] = string(a)
		}
		return &formatError{strings.Join(words, " or ")}
	}
	*dst = T(text)
	return nil
}
