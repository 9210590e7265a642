package request

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Query holds the parameters of a request, each at most once.
type Query map[string]string

// ParseQuery refuses parameters that are not known, given twice or not
// percent-encoded as a query has to be.
func ParseQuery(raw string, known []string) (Query, error) {
	if raw == "" {
		return nil, nil //nolint:nilnil // a nil map reads as an empty one
	}
	q := Query{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, kv.Invalid("query", "a parameter's name is not percent-encoded as a query has to be")
		}
		if !slices.Contains(known, name) {
			return nil, kv.Invalid(shownName(name), "unknown query parameter")
		}
		if _, ok := q[name]; ok {
			return nil, kv.Invalid(name, "the query parameter is given twice")
		}
		if q[name], err = url.QueryUnescape(rawValue); err != nil {
			return nil, kv.Invalid(name, "the query parameter is not percent-encoded as a query has to be")
		}
	}
	return q, nil
}

// maxNameShown bounds what an error repeats of a name that the client made up.
const maxNameShown = 64

// shownName gives the form in which an error repeats a name; a parameter
// without one is the query's.
func shownName(name string) string {
	if name == "" {
		return "query"
	}
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) <= maxNameShown {
		return name
	}
	cut := maxNameShown
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}

// Limit gives the page size, 100 unless the client names one.
func (q Query) Limit() (int, error) {
	text, ok := q["limit"]
	if !ok {
		return defaultPage, nil
	}
	n, ok := saturatingDecimal(text)
	if !ok {
		return 0, kv.CheckLimit(0)
	}
	limit := int(min(n, kv.MaxPageEntries+1))
	return limit, kv.CheckLimit(limit)
}

const defaultPage = 100

// Boolean gives a parameter that is true or false.
func (q Query) Boolean(name string, otherwise bool) (bool, error) {
	switch text, ok := q[name]; {
	case !ok:
		return otherwise, nil
	case text == "true":
		return true, nil
	case text == "false":
		return false, nil
	}
	return false, kv.Invalid(name, "the query parameter has to be true or false")
}

// Version reads a version, which is above 0 and below 2^53.
func Version(field, text string) (kv.Version, error) {
	n, err := parseDecimal(text)
	if err != nil || n == 0 || n >= 1<<53 {
		return 0, kv.Invalid(field, "a version is a number from 1 to %d, as an ETag has it between its quotes", int64(1<<53-1))
	}
	return kv.Version(n), nil
}

// Position reads a position of the change log.
func Position(field, text string) (kv.Position, error) {
	n, err := parseDecimal(text)
	if err != nil {
		return 0, kv.Invalid(field, "a position is a number, as a list, Trivet-Position or an event's id gave it")
	}
	return kv.Position(n), nil
}
