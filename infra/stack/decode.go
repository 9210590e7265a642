package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// inline is the JSON tag of a struct whose fields stand beside it.
const inline = ",inline"

// decode sets the fields of the struct that into points to, and leaves alone
// those that the document does not have. A name that there is not, and a value
// of the wrong type, is a problem each.
func decode(document map[string]any, into any, wrong *problems) {
	decodeStruct("", document, reflect.ValueOf(into).Elem(), wrong)
}

func decodeStruct(path string, document map[string]any, into reflect.Value, wrong *problems) {
	fields := make(map[string]reflect.Value)
	collectFields(into, fields)
	for _, name := range slices.Sorted(maps.Keys(document)) {
		setting := join(path, name)
		field, known := fields[name]
		if !known {
			wrong.add(setting, "there is no such setting%s", suggestion(name, slices.Collect(maps.Keys(fields))))
			continue
		}
		decodeValue(setting, document[name], field, wrong)
	}
}

// collectFields finds the fields that can be set, by their JSON names.
func collectFields(of reflect.Value, fields map[string]reflect.Value) {
	for i := range of.NumField() {
		switch name := of.Type().Field(i).Tag.Get("json"); name {
		case "-":
		case inline:
			collectFields(of.Field(i), fields)
		default:
			fields[name] = of.Field(i)
		}
	}
}

// names gives the settings at the top of a stack file.
func names() []string {
	fields := make(map[string]reflect.Value)
	collectFields(reflect.ValueOf(Config{}), fields)
	return slices.Sorted(maps.Keys(fields))
}

func decodeValue(setting string, value any, into reflect.Value, wrong *problems) {
	switch into.Kind() {
	case reflect.String:
		decodeString(setting, value, into, wrong)
	case reflect.Int:
		decodeInt(setting, value, into, wrong)
	case reflect.Bool:
		decodeBool(setting, value, into, wrong)
	case reflect.Struct:
		if document, ok := value.(map[string]any); ok {
			decodeStruct(setting, document, into, wrong)
		} else {
			wrong.add(setting, "it has to be an object with settings of its own, not %s", show(value))
		}
	case reflect.Slice:
		decodeSlice(setting, value, into, wrong)
	case reflect.Map:
		decodeMap(setting, value, into, wrong)
	default:
		panic("stack: no setting has the type " + into.Type().String())
	}
}

func decodeString(setting string, value any, into reflect.Value, wrong *problems) {
	switch value := value.(type) {
	case string:
		into.SetString(value)
	case json.Number, bool:
		// A version such as 1.30 would have lost its zero already.
		wrong.add(setting, "it has to be text, so put it in quotation marks: %q", fmt.Sprint(value))
	default:
		wrong.add(setting, "it has to be text, not %s", show(value))
	}
}

func decodeInt(setting string, value any, into reflect.Value, wrong *problems) {
	n, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil {
		wrong.add(setting, "it has to be a whole number, not %s", show(value))
		return
	}
	into.SetInt(int64(n))
}

func decodeBool(setting string, value any, into reflect.Value, wrong *problems) {
	switch fmt.Sprint(value) {
	case "true":
		into.SetBool(true)
	case "false":
		into.SetBool(false)
	default:
		wrong.add(setting, "it has to be true or false, not %s", show(value))
	}
}

// decodeSlice replaces the list: what a default lists is no base to add to.
func decodeSlice(setting string, value any, into reflect.Value, wrong *problems) {
	elements, ok := value.([]any)
	if !ok {
		wrong.add(setting, "it has to be a list, not %s", show(value))
		return
	}
	list := reflect.MakeSlice(into.Type(), len(elements), len(elements))
	for i, element := range elements {
		decodeValue(fmt.Sprintf("%s[%d]", setting, i), element, list.Index(i), wrong)
	}
	into.Set(list)
}

// decodeMap adds to what a default has under the same name.
func decodeMap(setting string, value any, into reflect.Value, wrong *problems) {
	document, ok := value.(map[string]any)
	if !ok {
		wrong.add(setting, "it has to be an object, not %s", show(value))
		return
	}
	merged := reflect.MakeMap(into.Type())
	for _, key := range into.MapKeys() {
		merged.SetMapIndex(key, into.MapIndex(key))
	}
	for _, name := range slices.Sorted(maps.Keys(document)) {
		element := reflect.New(into.Type().Elem()).Elem()
		if former := into.MapIndex(reflect.ValueOf(name)); former.IsValid() {
			element.Set(former)
		}
		decodeValue(join(setting, name), document[name], element, wrong)
		merged.SetMapIndex(reflect.ValueOf(name), element)
	}
	into.Set(merged)
}

// show gives a value as a problem names it, shortened when it is long.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "this"
	}
	const longest = 40
	if shown := []rune(string(text)); len(shown) > longest {
		return strings.TrimSpace(string(shown[:longest])) + "…"
	}
	return string(text)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
