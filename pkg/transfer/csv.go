package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Columns of CSV, in the order in which an export writes them. An import takes
// them in any order; key and value have to be there.
var columns = []string{"key", "key_encoding", "value", "value_encoding", "content_type", "expires_at", "meta"}

type csvWriter struct{ out io.Writer }

func (w csvWriter) header() error { return w.row(columns) }

func (w csvWriter) row(fields []string) error {
	rows := csv.NewWriter(w.out)
	if err := rows.Write(fields); err != nil {
		return err
	}
	rows.Flush()
	return rows.Error()
}

func (w csvWriter) entry(e kv.Entry) error {
	key, keyEncoding := cell([]byte(e.Key))
	value, valueEncoding := cell(e.Value)
	expires := ""
	if !e.ExpiresAt.IsZero() {
		expires = e.ExpiresAt.UTC().Format(wire.TimeFormat)
	}
	meta := ""
	if len(e.Meta) > 0 {
		text, err := json.Marshal(e.Meta)
		if err != nil {
			return err
		}
		meta = string(text)
	}
	return w.row([]string{key, keyEncoding, value, valueEncoding, e.ContentType, expires, meta})
}

// cell gives the form of bytes that every reader of CSV gives back unchanged:
// themselves when they are text, else base64. A carriage return is not, since
// readers take it for a part of a line's end.
func cell(raw []byte) (text, encoding string) {
	foreign := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\ufeff' }
	if utf8.Valid(raw) && !bytes.ContainsFunc(raw, foreign) {
		return string(raw), ""
	}
	return base64.StdEncoding.EncodeToString(raw), kv.KeyEncodingBase64
}

// csvReader decodes rows below a header.
type csvReader struct{ names []string }

func newCSVReader(header []byte) (*csvReader, error) {
	names, err := fieldsOf(bytes.TrimPrefix(header, []byte("\ufeff")), 0)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if !slices.Contains(columns, name) {
			return nil, kv.Invalid(name, "unknown column; columns are %s", strings.Join(columns, ", "))
		}
		if slices.Contains(names[:i], name) {
			return nil, kv.Invalid(name, "the column is there twice")
		}
	}
	for _, name := range []string{"key", "value"} {
		if !slices.Contains(names, name) {
			return nil, kv.Invalid(name, "the column is missing; the first line has to name the columns")
		}
	}
	return &csvReader{names}, nil
}

func (r *csvReader) decode(text []byte) (kv.Entry, error) {
	fields, err := fieldsOf(text, len(r.names))
	if err != nil {
		return kv.Entry{}, err
	}
	row := make(map[string]string, len(fields))
	for i, name := range r.names {
		row[name] = fields[i]
	}
	e := kv.Entry{ContentType: row["content_type"]}
	if e.Key, err = kv.DecodeKey(row["key"], row["key_encoding"]); err != nil {
		return kv.Entry{}, err
	}
	switch row["value_encoding"] {
	case "":
		e.Value = []byte(row["value"])
	case kv.KeyEncodingBase64:
		if e.Value, err = base64.StdEncoding.Strict().DecodeString(row["value"]); err != nil {
			return kv.Entry{}, kv.Invalid("value", "the value is not base64, as its value_encoding says")
		}
	default:
		return kv.Entry{}, kv.Invalid("value_encoding", "the encoding has to be %q or empty", kv.KeyEncodingBase64)
	}
	if at := row["expires_at"]; at != "" {
		if e.ExpiresAt, err = time.Parse(time.RFC3339, at); err != nil {
			return kv.Entry{}, kv.Invalid("expires_at", "the value has to be a time such as 2026-01-02T15:04:05.000Z")
		}
	}
	if meta := row["meta"]; meta != "" {
		if err := json.Unmarshal([]byte(meta), &e.Meta); err != nil {
			return kv.Entry{}, kv.Invalid("meta", "the value has to be a JSON object of strings")
		}
	}
	return e, nil
}

// fieldsOf splits one row; count 0 takes any number of fields.
func fieldsOf(text []byte, count int) ([]string, error) {
	rows := csv.NewReader(bytes.NewReader(text))
	rows.FieldsPerRecord = count
	fields, err := rows.Read()
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return nil, kv.Invalid("row", "%s", parse.Err)
	case err != nil:
		return nil, kv.Invalid("row", "%s", err)
	}
	return fields, nil
}
