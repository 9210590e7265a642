package request

import "strings"

// Prefers tells whether Prefer headers (RFC 7240) name a preference. What is
// malformed is skipped: a preference never fails a request.
func Prefers(values []string, name string) bool {
	for _, value := range values {
		for value != "" {
			var element string
			element, value = cutQuoted(value, ',')
			preference, _ := cutQuoted(element, ';')
			token, _, _ := strings.Cut(preference, "=")
			if strings.EqualFold(strings.Trim(token, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// cutQuoted cuts text at the first separator outside a quoted string.
func cutQuoted(text string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}
