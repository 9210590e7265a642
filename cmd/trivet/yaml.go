package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// toYAML gives a JSON document as YAML, with its fields in the same order: as
// a document or as the element of a sequence.
func toYAML(document []byte, element bool) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	value, err := inOrderOfFields(dec)
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if element {
		value = []any{value}
	}
	return yaml.MarshalWithOptions(value, yaml.CustomMarshaler(quoted))
}

// plainText is what no reader of YAML takes for anything else than a text.
var plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

// quoted gives a text in quotation marks unless it needs none. The library
// leaves some of those out that do, such as around a tab.
func quoted(text string) ([]byte, error) {
	if plainText.MatchString(text) && !isReserved(text) {
		return []byte(text), nil
	}
	return []byte(strconv.Quote(text)), nil
}

// isReserved tells the words that YAML, 1.1 included, takes for other types.
func isReserved(text string) bool {
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return true
	default:
		return false
	}
}

// inOrderOfFields reads the next value, objects as yaml.MapSlice.
func inOrderOfFields(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return arrayOf(dec)
		}
		return objectOf(dec)
	case json.Number:
		if n, err := token.Int64(); err == nil {
			return n, nil
		}
		return token.Float64()
	default:
		return token, nil
	}
}

func arrayOf(dec *json.Decoder) (any, error) {
	array := []any{}
	for dec.More() {
		value, err := inOrderOfFields(dec)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := dec.Token() // the closing bracket
	return array, err
}

func objectOf(dec *json.Decoder) (any, error) {
	object := yaml.MapSlice{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := inOrderOfFields(dec)
		if err != nil {
			return nil, err
		}
		object = append(object, yaml.MapItem{Key: name, Value: value})
	}
	_, err := dec.Token() // the closing brace
	return object, err
}
