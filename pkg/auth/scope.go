package auth

import (
	"slices"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Access is what a scope lets its holder do.
type Access string

// Kinds of access. None implies another: an administrator of a namespace may
// change its settings, not read its values.
const (
	Read  Access = "read"
	Write Access = "write"
	Admin Access = "admin"
)

// Limits of a token's scopes.
const (
	maxScopes        = 64
	maxPatternLength = 63
)

// Scope grants access to the keys with a prefix in the namespaces that match a
// pattern.
type Scope struct {
	Namespace string   `json:"namespace"`        // a name in which * stands for any characters
	Prefix    string   `json:"prefix,omitempty"` // of keys; empty: all keys
	Access    []Access `json:"access"`
}

// Everything is the scope of an administrator of the whole store.
func Everything() []Scope {
	return []Scope{{Namespace: "*", Access: []Access{Read, Write, Admin}}}
}

// CheckScopes refuses scopes that grant nothing or cannot be meant.
func CheckScopes(scopes []Scope) error {
	if len(scopes) == 0 || len(scopes) > maxScopes {
		return kv.Invalid("scopes", "a token has to have 1 to %d scopes", maxScopes)
	}
	for _, s := range scopes {
		if s.Namespace == "" || len(s.Namespace) > maxPatternLength || strings.ContainsFunc(s.Namespace, notPattern) {
			return kv.Invalid("scopes.namespace", "a scope's namespace has to be 1 to %d lower-case letters, digits, hyphens and *", maxPatternLength)
		}
		if err := kv.CheckPrefix("prefix", s.Prefix); err != nil {
			return kv.Invalid("scopes.prefix", "a scope's prefix may have at most %d bytes", kv.MaxKeyBytes)
		}
		if len(s.Access) == 0 {
			return kv.Invalid("scopes.access", "a scope's access has to name read, write or admin")
		}
		for _, a := range s.Access {
			if a != Read && a != Write && a != Admin {
				return kv.Invalid("scopes.access", "unknown access %q; it has to be read, write or admin", a)
			}
		}
		if s.Prefix != "" && slices.Contains(s.Access, Admin) {
			return kv.Invalid("scopes.access", "admin is for whole namespaces; its scope may have no prefix")
		}
	}
	return nil
}

func notPattern(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '*'
}

// allows tells whether the scope grants access to a key, or, since a prefix
// is granted by every shorter one, to all keys with a prefix.
func (s Scope) allows(namespace, keyOrPrefix string, access Access) bool {
	return slices.Contains(s.Access, access) &&
		strings.HasPrefix(keyOrPrefix, s.Prefix) &&
		matches(s.Namespace, namespace)
}

// matches tells whether a name matches a pattern in which * stands for any
// characters. It takes time in proportion to their lengths' product at most.
func matches(pattern, name string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
