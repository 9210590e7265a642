package request

import (
	"net/http"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// ReadOptions reads what a GET accepts from Cache-Control and
// Trivet-Min-Version.
func ReadOptions(h http.Header) (kv.ReadOptions, error) {
	var opts kv.ReadOptions
	if values := h["Cache-Control"]; len(values) > 0 {
		if err := cacheControl(values, &opts); err != nil {
			return opts, err
		}
	}
	if values := h["Trivet-Min-Version"]; len(values) > 0 {
		text, err := Single("Trivet-Min-Version", values)
		if err != nil {
			return opts, err
		}
		if opts.MinVersion, err = Version("Trivet-Min-Version", text); err != nil {
			return opts, err
		}
	}
	return opts, nil
}

// cacheControl reads the two directives that choose a consistency: no-cache,
// and max-age with whole seconds. The strongest one wins. Others are ignored,
// as HTTP asks (RFC 9111, 5.2.3).
func cacheControl(values []string, opts *kv.ReadOptions) error {
	for _, value := range values {
		for value != "" {
			var directive string
			directive, value = cutQuoted(value, ',')
			name, argument, _ := strings.Cut(strings.Trim(directive, " \t"), "=")
			switch {
			case strings.EqualFold(name, "no-cache"):
				opts.Consistency, opts.MaxAge = kv.Strong, 0
			case strings.EqualFold(name, "max-age"):
				age, err := deltaSeconds(argument)
				if err != nil {
					return err
				}
				limitAge(opts, age)
			}
		}
	}
	return nil
}

func limitAge(opts *kv.ReadOptions, age time.Duration) {
	switch {
	case opts.Consistency == kv.Strong:
	case age == 0:
		opts.Consistency, opts.MaxAge = kv.Strong, 0
	case opts.Consistency == kv.Local:
		opts.MaxAge = min(opts.MaxAge, age)
	default:
		opts.Consistency, opts.MaxAge = kv.Local, age
	}
}

// maxAgeSeconds is what larger ages are taken for, as HTTP asks (RFC 9111, 1.2.2).
const maxAgeSeconds = 1 << 31

func deltaSeconds(text string) (time.Duration, error) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		text = strings.TrimSuffix(quoted, `"`)
	}
	seconds, ok := saturatingDecimal(text)
	if !ok {
		return 0, kv.Invalid("Cache-Control", "max-age has to be a number of seconds, such as max-age=5")
	}
	return time.Duration(min(seconds, maxAgeSeconds)) * time.Second, nil
}

// Single gives the value of a header that may be there once.
func Single(field string, values []string) (string, error) {
	if len(values) > 1 {
		return "", kv.Invalid(field, "the header is given %d times; it may be there once", len(values))
	}
	return values[0], nil
}
