package request

import (
	"net/http"

	"github.com/trivetkv/trivet/pkg/kv"
)

// WriteCondition reads the guard of a write from If-Match and If-None-Match.
func WriteCondition(h http.Header) (kv.Condition, error) {
	var cond kv.Condition
	for _, field := range [...]string{"If-Unmodified-Since", "If-Modified-Since"} {
		// Ignoring it, as HTTP allows, would make the write that it has to stop.
		if len(h[field]) > 0 {
			return cond, kv.Invalid(field, "writes are guarded by entity tags; use If-Match or If-None-Match")
		}
	}
	match, err := ParseEntityTags("If-Match", h["If-Match"])
	if err != nil {
		return cond, err
	}
	if match != nil {
		if match.any {
			cond.Exists = true
		} else {
			cond.Versions = match.Versions()
		}
	}
	noneMatch, err := ParseEntityTags("If-None-Match", h["If-None-Match"])
	if err != nil {
		return cond, err
	}
	if noneMatch != nil {
		if !noneMatch.any {
			return cond, kv.Invalid("If-None-Match", "a write takes If-None-Match: * only")
		}
		cond.Absent = true
	}
	return cond, nil
}

// Preconditions are the conditions of a read, nil where the request has none.
type Preconditions struct {
	Match     *EntityTags
	NoneMatch *EntityTags
}

// ReadPreconditions reads the conditions of a read.
func ReadPreconditions(h http.Header) (pre Preconditions, err error) {
	if pre.Match, err = ParseEntityTags("If-Match", h["If-Match"]); err != nil {
		return pre, err
	}
	pre.NoneMatch, err = ParseEntityTags("If-None-Match", h["If-None-Match"])
	return pre, err
}
