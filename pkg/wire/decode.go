package wire

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// decoder reads one JSON document strictly. encoding/json cannot be told to
// refuse fields given twice, to match names by case, or to refuse text that is
// not Unicode rather than change it, which for a key would be another key.
//
// Its errors are invalid_argument. Their field is the place within the
// document, put together on the way out: success[3].value.
type decoder struct {
	data []byte
	pos  int
}

const (
	minInt64   = math.MinInt64
	maxInt64   = math.MaxInt64
	maxVersion = 1<<53 - 1

	// maxNameShown bounds what an error repeats of a name that the caller made up.
	maxNameShown = 64
)

var errUnknownField = kv.Invalid("", "unknown field")

// tooMany refuses an array or object as a whole, rather than its last element.
type tooMany struct{ detail string }

func (e *tooMany) Error() string { return e.detail }

// document reads an object and nothing behind it.
func (d *decoder) document(field func(name string) error) error {
	d.space()
	if d.pos == len(d.data) {
		return kv.Invalid("body", "the body is empty; it has to be a JSON object")
	}
	if err := d.object(field); err != nil {
		e := *kv.AsError(err)
		if e.Field == "" {
			e.Field = "body"
		}
		return &e
	}
	d.space()
	if d.pos != len(d.data) {
		return kv.Invalid("body", "there is data behind the end of the JSON object, at byte %d", d.pos)
	}
	return nil
}

// object calls field for each name, with the reader before its value.
func (d *decoder) object(field func(name string) error) error {
	if err := d.expect('{', "an object"); err != nil {
		return err
	}
	var seen []string
	return d.elements('}', func() error {
		if d.peek() != '"' {
			return d.malformed("a field name or }")
		}
		name, err := d.text()
		if err != nil {
			return err
		}
		d.space()
		if d.peek() != ':' {
			return d.malformed("a colon behind a field name")
		}
		d.pos++
		d.space()
		if slices.Contains(seen, name) {
			return under(shown(name), kv.Invalid("", "the field is given twice"))
		}
		seen = append(seen, name)
		if err := field(name); err != nil {
			if e, ok := err.(*tooMany); ok { //nolint:errorlint // made by the callback itself
				return kv.Invalid("", "%s", e.detail)
			}
			return under(shown(name), err)
		}
		return nil
	})
}

// array calls element with the reader before each element.
func (d *decoder) array(element func() error) error {
	if err := d.expect('[', "an array"); err != nil {
		return err
	}
	i := 0
	return d.elements(']', func() error {
		if err := element(); err != nil {
			if e, ok := err.(*tooMany); ok { //nolint:errorlint // made by the callback itself
				return kv.Invalid("", "%s", e.detail)
			}
			return under(fmt.Sprintf("[%d]", i), err)
		}
		i++
		return nil
	})
}

// elements reads what is separated by commas, up to the closing character.
func (d *decoder) elements(closing byte, element func() error) error {
	d.space()
	if d.peek() == closing {
		d.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		d.space()
		switch d.peek() {
		case ',':
			d.pos++
			d.space()
		case closing:
			d.pos++
			return nil
		default:
			return d.malformed("a comma or " + string(closing))
		}
	}
}

// text reads a string. It refuses what has no UTF-8 form.
func (d *decoder) text() (string, error) {
	if err := d.expect('"', "a string"); err != nil {
		return "", err
	}
	start := d.pos
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			raw := d.data[start:d.pos]
			if !utf8.Valid(raw) {
				return "", kv.Invalid("", "the string is not UTF-8")
			}
			d.pos++
			return string(raw), nil
		case c == '\\':
			return d.escapedText(start)
		case c < ' ':
			return "", d.malformed("no control character in a string")
		default:
			d.pos++
		}
	}
	return "", d.malformed("the end of a string")
}

// escapedText reads the rest of a string that has an escape at the reader.
func (d *decoder) escapedText(start int) (string, error) {
	out := append([]byte(nil), d.data[start:d.pos]...)
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", kv.Invalid("", "the string is not UTF-8")
			}
			d.pos++
			return string(out), nil
		case c < ' ':
			return "", d.malformed("no control character in a string")
		case c != '\\':
			out = append(out, c)
			d.pos++
			continue
		}
		d.pos++
		c = d.peek()
		if c == 'u' {
			r, err := d.escapedRune()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		plain, ok := escapes[c]
		if !ok {
			return "", d.malformed("an escape")
		}
		out = append(out, plain)
		d.pos++
	}
	return "", d.malformed("the end of a string")
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapedRune reads uXXXX, or two of them that are a surrogate pair.
func (d *decoder) escapedRune() (rune, error) {
	r, err := d.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if d.peek() == '\\' {
		d.pos++
		low, err := d.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	return 0, kv.Invalid("", "the string has half of a surrogate pair")
}

func (d *decoder) hex4() (rune, error) {
	if len(d.data)-d.pos < 5 || d.data[d.pos] != 'u' {
		return 0, d.malformed("an escape of four hexadecimal digits")
	}
	n, err := strconv.ParseUint(string(d.data[d.pos+1:d.pos+5]), 16, 16)
	if err != nil {
		return 0, d.malformed("an escape of four hexadecimal digits")
	}
	d.pos += 5
	return rune(n), nil
}

// bytes reads a string of standard base64. It never answers nil without an
// error.
func (d *decoder) bytes() ([]byte, error) {
	if err := d.isA('"', "a string of base64"); err != nil {
		return nil, err
	}
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	raw, err := base64Strict.DecodeString(text)
	if err != nil {
		return nil, kv.Invalid("", "the value has to be standard base64 with padding")
	}
	return raw, nil
}

func (d *decoder) keyEncoding() (string, error) {
	text, err := d.text()
	if err == nil && text != kv.KeyEncodingBase64 {
		err = kv.Invalid("", "unknown key_encoding; it has to be %q or absent", kv.KeyEncodingBase64)
	}
	return text, err
}

func (d *decoder) duration() (string, error) {
	if err := d.isA('"', "a duration such as 90s or 1h30m"); err != nil {
		return "", err
	}
	text, err := d.text()
	if err != nil {
		return "", err
	}
	if _, err := time.ParseDuration(text); err != nil {
		return "", kv.Invalid("", "the value has to be a duration such as 90s or 1h30m")
	}
	return text, nil
}

func (d *decoder) version() (*kv.Version, error) {
	n, err := d.integer(0, maxVersion)
	return (*kv.Version)(n), err
}

// integer reads a number without fraction and exponent, within bounds.
func (d *decoder) integer(low, high int64) (*int64, error) {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return nil, d.wrongType("an integer")
	}
	start := d.pos
	for d.pos < len(d.data) && isNumber(d.data[d.pos]) {
		d.pos++
	}
	text := string(d.data[start:d.pos])
	if !isInteger(text) {
		return nil, kv.Invalid("", "the value has to be an integer")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return nil, kv.Invalid("", "the value has to be an integer from %d to %d", low, high)
	}
	return &n, nil
}

func isNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// isInteger holds text against -?(0|[1-9][0-9]*).
func isInteger(text string) bool {
	if text != "" && text[0] == '-' {
		text = text[1:]
	}
	if text == "" || text[0] == '0' && text != "0" {
		return false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

func (d *decoder) boolean() (*bool, error) {
	for text, value := range map[string]bool{"true": true, "false": false} {
		if end := d.pos + len(text); end <= len(d.data) && string(d.data[d.pos:end]) == text {
			d.pos = end
			return &value, nil
		}
	}
	return nil, d.wrongType("true or false")
}

// expect reads the opening character of what is wanted.
func (d *decoder) expect(c byte, wanted string) error {
	if err := d.isA(c, wanted); err != nil {
		return err
	}
	d.pos++
	return nil
}

func (d *decoder) isA(c byte, wanted string) error {
	if d.peek() != c {
		return d.wrongType(wanted)
	}
	return nil
}

// wrongType tells a value of another type from what is no value at all.
func (d *decoder) wrongType(wanted string) error {
	var found string
	switch c := d.peek(); {
	case c == '"':
		found = "a string"
	case c == '{':
		found = "an object"
	case c == '[':
		found = "an array"
	case c == 't', c == 'f':
		found = "a boolean"
	case c == 'n':
		found = "null"
	case c == '-', c >= '0' && c <= '9':
		found = "a number"
	default:
		return d.malformed(wanted)
	}
	return kv.Invalid("", "the value has to be %s, not %s", wanted, found)
}

func (d *decoder) malformed(wanted string) error {
	if d.pos >= len(d.data) {
		return kv.Invalid("", "the JSON ends early: expected %s", wanted)
	}
	return kv.Invalid("", "the JSON is malformed at byte %d: expected %s", d.pos, wanted)
}

// peek gives the next byte, 0 at the end: no token begins with it.
func (d *decoder) peek() byte {
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return
		}
	}
}

// under puts a place before the field of an error.
func under(place string, err error) error {
	e := *kv.AsError(err)
	switch {
	case e.Field == "":
		e.Field = place
	case e.Field[0] == '[':
		e.Field = place + e.Field
	default:
		e.Field = place + "." + e.Field
	}
	return &e
}

// shown gives the form in which an error repeats a name.
func shown(name string) string {
	if len(name) <= maxNameShown {
		return name
	}
	cut := maxNameShown
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}
