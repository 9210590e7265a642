// Package wire is the JSON of the data API: the shapes that a request or an
// answer may have, and how they become the types of package kv and back.
//
// A server decodes requests with the Decode functions, which refuse whatever
// the shape does not have: unknown fields, fields given twice, other types,
// data behind the end. A client encodes the same types with [Marshal] and
// decodes answers with [Unmarshal], which ignores fields that a newer server
// may have added.
//
// Values are standard base64. A key that is not UTF-8 is base64 too, marked by
// "key_encoding": "base64". Times are RFC 3339 in UTC with milliseconds,
// durations are Go's.
package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ContentType is the media type of every shape but problems.
const ContentType = "application/json"

// TimeFormat is how times travel, in JSON and in headers.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// Time is a time that travels with milliseconds, in UTC.
type Time time.Time

// IsZero tells a time that is not set.
func (t Time) IsZero() bool { return time.Time(t).IsZero() }

// MarshalJSON gives the time in [TimeFormat].
func (t Time) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, len(TimeFormat)+2)
	b = append(b, '"')
	b = time.Time(t).UTC().AppendFormat(b, TimeFormat)
	return append(b, '"'), nil
}

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("a time: %w", err)
	}
	*t = Time(parsed.UTC())
	return nil
}

// Duration is a duration that travels as Go writes it.
type Duration time.Duration

// String gives the shortest of Go's forms: 1h30m rather than 1h30m0s.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText is [Duration.String].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration as Go does.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("a duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// Marshal encodes a shape as one line.
func Marshal(shape any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // it is never part of a page, and keys stay readable
	if err := enc.Encode(shape); err != nil {
		return nil, fmt.Errorf("encode %T: %w", shape, err)
	}
	return out.Bytes(), nil
}

// Unmarshal decodes an answer. Fields that the shape does not have are ignored.
func Unmarshal(data []byte, shape any) error {
	if err := json.Unmarshal(data, shape); err != nil {
		return fmt.Errorf("decode %T: %w", shape, err)
	}
	return nil
}
