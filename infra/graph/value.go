package graph

import (
	"encoding/json"
	"strconv"
)

// A Value is a property: nil where there is none, a bool, float64, string,
// []any or map[string]any, or one of Unknown and Secret.
type Value struct{ any }

// Unknown stands for a value that only exists once the resource has been made
// that it comes from.
type Unknown struct{}

// Secret stands for a value that is not to be shown.
type Secret struct{}

// Of makes a Value of what a property holds.
func Of(property any) Value { return Value{property} }

// Raw is the property itself.
func (v Value) Raw() any { return v.any }

// Hidden tells whether there is a value that cannot be looked at: not known
// yet, or secret.
func (v Value) Hidden() bool {
	switch v.any.(type) {
	case Unknown, Secret:
		return true
	default:
		return false
	}
}

// Set tells whether there is a value at all. Empty text, lists and objects are
// none; what is hidden is one.
func (v Value) Set() bool {
	switch held := v.any.(type) {
	case nil:
		return false
	case string:
		return held != ""
	case []any:
		return len(held) > 0
	case map[string]any:
		return len(held) > 0
	default:
		return true
	}
}

// Field is the value at a path of names within objects and of indices, written
// as numbers, within lists. Within what is hidden, everything is hidden.
func (v Value) Field(path ...string) Value {
	for _, name := range path {
		switch held := v.any.(type) {
		case Unknown, Secret:
			return v
		case map[string]any:
			v = Value{held[name]}
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index < 0 || index >= len(held) {
				return Value{}
			}
			v = Value{held[index]}
		default:
			return Value{}
		}
	}
	return v
}

// Object gives the members of an object, nil for anything else.
func (v Value) Object() map[string]any {
	object, _ := v.any.(map[string]any)
	return object
}

// List gives the elements of a list. A single value is a list of itself, since
// documents in JSON, such as policies, may write it so.
func (v Value) List() []Value {
	switch held := v.any.(type) {
	case nil:
		return nil
	case []any:
		list := make([]Value, len(held))
		for i, element := range held {
			list[i] = Value{element}
		}
		return list
	default:
		return []Value{v}
	}
}

// Text gives a string, and "" for anything else.
func (v Value) Text() string {
	text, _ := v.any.(string)
	return text
}

// Number gives a number, also one that is written as text, and 0 for anything
// else.
func (v Value) Number() float64 {
	switch held := v.any.(type) {
	case float64:
		return held
	case string:
		number, err := strconv.ParseFloat(held, 64)
		if err == nil {
			return number
		}
	}
	return 0
}

// Is tells whether the value equals a bool, string or float64. What is hidden
// has the benefit of the doubt: it is judged when it is known.
func (v Value) Is(want any) bool { return v.Hidden() || v.any == want }

// AtLeast tells whether the value is a number from least on, or hidden.
func (v Value) AtLeast(least float64) bool {
	return v.Hidden() || v.any != nil && v.Number() >= least
}

// Decoded is the document that the value, a string, holds as JSON; nothing
// when it holds none.
func (v Value) Decoded() Value {
	if v.Hidden() {
		return v
	}
	var document any
	if json.Unmarshal([]byte(v.Text()), &document) != nil {
		return Value{}
	}
	return Value{document}
}
