package kv

import (
	"encoding/base64"
	"unicode/utf8"
)

// CheckKey refuses a key that is empty or longer than [MaxKeyBytes].
func CheckKey(key string) error {
	if key == "" {
		return Invalid("key", "the key is empty; it has to have 1 to %d bytes", MaxKeyBytes)
	}
	if len(key) > MaxKeyBytes {
		return Invalid("key", "the key has %d bytes; it has to have 1 to %d", len(key), MaxKeyBytes)
	}
	return nil
}

// CheckPrefix refuses a prefix that no key could have.
func CheckPrefix(field, prefix string) error {
	if len(prefix) > MaxKeyBytes {
		return Invalid(field, "the %s has %d bytes; it may have at most %d", field, len(prefix), MaxKeyBytes)
	}
	return nil
}

// CheckNamespace refuses a name that does not match
// [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?, the rule of DNS labels.
func CheckNamespace(name string) error {
	ok := len(name) >= 1 && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !ok {
		return Invalid("namespace", "the namespace has to be 1 to 63 lower-case letters, digits and inner hyphens")
	}
	return nil
}

// KeyEncodingBase64 marks a key that travels as base64 because it is not UTF-8.
const KeyEncodingBase64 = "base64"

// EncodeKey gives the form in which a key travels in JSON: itself and "" when
// it is UTF-8, else standard base64 and [KeyEncodingBase64].
func EncodeKey(key string) (text, encoding string) {
	if utf8.ValidString(key) {
		return key, ""
	}
	return base64.StdEncoding.EncodeToString([]byte(key)), KeyEncodingBase64
}

// DecodeKey is the inverse of [EncodeKey].
func DecodeKey(text, encoding string) (string, error) {
	switch encoding {
	case "":
		return text, nil
	case KeyEncodingBase64:
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", Invalid("key", "the key is not base64, as its key_encoding says")
		}
		return string(raw), nil
	default:
		return "", Invalid("key_encoding", "unknown key_encoding %q; it has to be %q or absent", encoding, KeyEncodingBase64)
	}
}

// PrefixEnd gives the smallest key above all keys with the prefix, and false
// when there is none.
func PrefixEnd(prefix string) (string, bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1}), true
		}
	}
	return "", false
}
