package main

import (
	"bytes"
	"encoding/json"
	"fmt"

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
	return yaml.Marshal(value)
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
