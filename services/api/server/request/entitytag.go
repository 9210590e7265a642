package request

import (
	"strconv"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// EntityTags is the value of If-Match or If-None-Match: any, or a list.
type EntityTags struct {
	any  bool
	tags []entityTag
}

// entityTag is one tag. What is no version of ours is well-formed all the same
// and matches nothing: its version is 0.
type entityTag struct {
	version kv.Version
	weak    bool
}

// ParseEntityTags reads a list of tags (RFC 9110, 8.8.3 and 13.1), nil when the
// header is not there.
func ParseEntityTags(field string, values []string) (*EntityTags, error) {
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // no header is no condition
	}
	out := &EntityTags{}
	rest := values[0]
	if len(values) > 1 {
		rest = strings.Join(values, ",")
	}
	if strings.Trim(rest, " \t") == "*" {
		out.any = true
		return out, nil
	}
	for {
		rest = strings.TrimLeft(rest, " \t,") // empty elements of a list are allowed
		if rest == "" {
			break
		}
		var tag entityTag
		var ok bool
		if tag, rest, ok = cutEntityTag(rest); !ok {
			return nil, errEntityTag(field)
		}
		out.tags = append(out.tags, tag)
		rest = strings.TrimLeft(rest, " \t")
		if rest != "" && rest[0] != ',' {
			return nil, errEntityTag(field)
		}
	}
	if len(out.tags) == 0 {
		return nil, errEntityTag(field)
	}
	return out, nil
}

func errEntityTag(field string) error {
	return kv.Invalid(field, `the header has to be * or a list of entity tags such as "1718"`)
}

// cutEntityTag reads one tag off the front of text.
func cutEntityTag(text string) (tag entityTag, rest string, ok bool) {
	text, tag.weak = strings.CutPrefix(text, "W/")
	if text == "" || text[0] != '"' {
		return tag, "", false
	}
	end := 1
	for end < len(text) && isEntityTagByte(text[end]) {
		end++
	}
	if end == len(text) || text[end] != '"' {
		return tag, "", false
	}
	tag.version = tagVersion(text[1:end])
	return tag, text[end+1:], true
}

func isEntityTagByte(c byte) bool { return c == 0x21 || c >= 0x23 && c != 0x7f }

// tagVersion gives the version that a tag names. Tags are compared as they are
// written: 07 is not 7.
func tagVersion(opaque string) kv.Version {
	if opaque == "" || opaque[0] == '0' {
		return 0
	}
	n, err := parseDecimal(opaque)
	if err != nil {
		return 0
	}
	return kv.Version(n)
}

// MatchesWeak is the comparison of If-None-Match on reads.
func (t *EntityTags) MatchesWeak(v kv.Version) bool {
	if t.any {
		return true
	}
	for _, tag := range t.tags {
		if tag.version == v {
			return true
		}
	}
	return false
}

// MatchesStrong is the comparison of If-Match: a weak tag never matches.
func (t *EntityTags) MatchesStrong(v kv.Version) bool {
	if t.any {
		return true
	}
	for _, tag := range t.tags {
		if tag.version == v && !tag.weak {
			return true
		}
	}
	return false
}

// Versions gives what an If-Match lets pass; never nil, and without 0: a tag
// never stands for an absent key.
func (t *EntityTags) Versions() []kv.Version {
	versions := []kv.Version{}
	for _, tag := range t.tags {
		if tag.version != 0 && !tag.weak {
			versions = append(versions, tag.version)
		}
	}
	return versions
}

// IfRange tells whether a range is wanted of a version. A date never proves
// that: two versions may be of one second.
func IfRange(values []string, v kv.Version) bool {
	if len(values) == 0 {
		return true
	}
	tag, rest, ok := cutEntityTag(values[0])
	return ok && len(values) == 1 && rest == "" && !tag.weak && tag.version == v
}

// EntityTag gives the strong tag of a version.
func EntityTag(v kv.Version) string {
	b := make([]byte, 0, 24)
	b = append(b, '"')
	b = strconv.AppendInt(b, int64(v), 10)
	return string(append(b, '"'))
}
