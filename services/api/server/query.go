package server

import (
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// query holds the parameters of a request, each at most once.
type query map[string]string

// parseQuery refuses parameters that are not known, given twice or not
// percent-encoded as a query has to be.
func parseQuery(raw string, known []string) (query, error) {
	if raw == "" {
		return nil, nil //nolint:nilnil // a nil map reads as an empty one
	}
	q := query{}
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

func shownName(name string) string {
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

// limit gives the page size, 100 unless the client names one.
func (q query) limit() (int, error) {
	text, ok := q["limit"]
	if !ok {
		return defaultPage, nil
	}
	n, err := parseDecimal(text)
	if err != nil {
		return 0, kv.CheckLimit(0)
	}
	return int(min(n, kv.MaxPageEntries+1)), kv.CheckLimit(int(min(n, kv.MaxPageEntries+1)))
}

const defaultPage = 100

func (q query) boolean(name string, otherwise bool) (bool, error) {
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

// parseDecimal reads digits alone: no sign, no space, no separator.
func parseDecimal(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err //nolint:gosec // 63 bits
}

// saturatingDecimal reads digits alone, and takes a number that does not fit
// for the largest one that does.
func saturatingDecimal(text string) (n int64, ok bool) {
	n, err := parseDecimal(text)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt64, true
	}
	return n, err == nil
}

// parseVersion reads a version, which is above 0 and below 2^53.
func parseVersion(field, text string) (kv.Version, error) {
	n, err := parseDecimal(text)
	if err != nil || n == 0 || n >= 1<<53 {
		return 0, kv.Invalid(field, "a version is a number from 1 to %d, as an ETag has it between its quotes", int64(1<<53-1))
	}
	return kv.Version(n), nil
}

// parsePosition reads a position of the change log.
func parsePosition(field, text string) (kv.Position, error) {
	n, err := parseDecimal(text)
	if err != nil {
		return 0, kv.Invalid(field, "a position is a number, as a list, Trivet-Position or an event's id gave it")
	}
	return kv.Position(n), nil
}
