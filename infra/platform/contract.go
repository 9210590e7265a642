package platform

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// versionKey is where a document says which form it has.
const versionKey = "version"

// secretTag marks fields that are secret in the document, whatever their
// output says.
const secretTag = "secret"

// Types of outputs within a Platform.
var (
	stringOutput = reflect.TypeFor[pulumi.StringOutput]()
	stringMap    = reflect.TypeFor[pulumi.StringMap]()
)

// Encode gives the document in which a platform travels from the stack that
// makes it to the stack of the workloads: an object with its version, and with
// each field under its name in lowerCamelCase. What is empty is left out.
func (p *Platform) Encode() pulumi.Map {
	document := encodeStruct(reflect.ValueOf(*p))
	document[versionKey] = pulumi.Int(ContractVersion)
	return document
}

func encodeStruct(of reflect.Value) pulumi.Map {
	document := pulumi.Map{}
	for i := range of.NumField() {
		field := of.Type().Field(i)
		encoded := encode(of.Field(i))
		if encoded == nil {
			continue
		}
		if field.Tag.Get("platform") == secretTag {
			encoded = pulumi.ToSecret(encoded)
		}
		document[documentName(field.Name)] = encoded
	}
	return document
}

// encode gives nil for what is empty.
func encode(v reflect.Value) pulumi.Input {
	if v.IsZero() {
		return nil
	}
	if held, ok := v.Interface().(pulumi.Input); ok {
		return held
	}
	switch v.Kind() {
	case reflect.String:
		return pulumi.String(v.String())
	case reflect.Int:
		return pulumi.Int(v.Int())
	case reflect.Pointer:
		return encodeStruct(v.Elem())
	case reflect.Struct:
		return encodeStruct(v)
	case reflect.Slice:
		list := pulumi.Array{}
		for i := range v.Len() {
			list = append(list, encodeElement(v.Index(i)))
		}
		return list
	case reflect.Map:
		object := pulumi.Map{}
		for _, key := range v.MapKeys() {
			object[key.String()] = encodeElement(v.MapIndex(key))
		}
		return object
	default:
		panic("platform: a field has the type " + v.Type().String() + ", which does not travel")
	}
}

// encodeElement keeps empty elements, whose place or name says something.
func encodeElement(v reflect.Value) pulumi.Input {
	if encoded := encode(v); encoded != nil {
		return encoded
	}
	if v.Kind() == reflect.String {
		return pulumi.String("")
	}
	return pulumi.Map{}
}

// Decode gives the platform that a document describes. Names that this
// program does not know are additions, which change nothing for it; a form
// that it could misunderstand is refused.
func Decode(document any) (*Platform, error) {
	object, ok := document.(map[string]any)
	if !ok {
		return nil, errors.New("there is no platform")
	}
	version, err := number(object[versionKey])
	switch {
	case err != nil:
		return nil, fmt.Errorf("the platform's version: %w", err)
	case version > ContractVersion:
		return nil, fmt.Errorf("the platform has form %d, of a newer release; this program reads form %d: update the program", version, ContractVersion)
	case version < ContractVersion:
		return nil, fmt.Errorf("the platform has form %d, of an older release; this program reads form %d: deploy the cloud's stack with this release first", version, ContractVersion)
	}
	platform := &Platform{}
	if err := decodeStruct("platform", object, reflect.ValueOf(platform).Elem()); err != nil {
		return nil, err
	}
	return platform, nil
}

func decodeStruct(path string, object map[string]any, into reflect.Value) error {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		name := documentName(field.Name)
		value, found := object[name]
		if !found || value == nil {
			setEmpty(into.Field(i))
			continue
		}
		secret := field.Tag.Get("platform") == secretTag
		if err := decode(path+"."+name, value, into.Field(i), secret); err != nil {
			return err
		}
	}
	return nil
}

// setEmpty makes the outputs of what was left out empty ones: the zero value of
// an output cannot be used.
func setEmpty(v reflect.Value) {
	switch {
	case v.Type() == stringOutput:
		v.Set(reflect.ValueOf(pulumi.String("").ToStringOutput()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			setEmpty(v.Field(i))
		}
	}
}

func decode(path string, value any, into reflect.Value, secret bool) error {
	switch into.Type() {
	case stringOutput:
		return decodeOutput(path, value, into, secret)
	case stringMap:
		return decodeStringMap(path, value, into)
	}
	switch into.Kind() {
	case reflect.String:
		text, ok := value.(string)
		if !ok {
			return wrongType(path, "text", value)
		}
		into.SetString(text)
	case reflect.Int:
		n, err := number(value)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		into.SetInt(int64(n))
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return decode(path, value, into.Elem(), secret)
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			return wrongType(path, "an object", value)
		}
		return decodeStruct(path, object, into)
	case reflect.Slice:
		return decodeSlice(path, value, into)
	case reflect.Map:
		return decodeMap(path, value, into)
	}
	return nil
}

func decodeOutput(path string, value any, into reflect.Value, secret bool) error {
	text, ok := value.(string)
	if !ok {
		return wrongType(path, "text", value)
	}
	output := pulumi.String(text).ToStringOutput()
	if secret {
		output = pulumi.ToSecret(output).(pulumi.StringOutput)
	}
	into.Set(reflect.ValueOf(output))
	return nil
}

func decodeStringMap(path string, value any, into reflect.Value) error {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongType(path, "an object", value)
	}
	texts := pulumi.StringMap{}
	for name, member := range object {
		text, ok := member.(string)
		if !ok {
			return wrongType(path+"."+name, "text", member)
		}
		texts[name] = pulumi.String(text)
	}
	into.Set(reflect.ValueOf(texts))
	return nil
}

func decodeSlice(path string, value any, into reflect.Value) error {
	elements, ok := value.([]any)
	if !ok {
		return wrongType(path, "a list", value)
	}
	list := reflect.MakeSlice(into.Type(), len(elements), len(elements))
	for i, element := range elements {
		if err := decode(fmt.Sprintf("%s[%d]", path, i), element, list.Index(i), false); err != nil {
			return err
		}
	}
	into.Set(list)
	return nil
}

func decodeMap(path string, value any, into reflect.Value) error {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongType(path, "an object", value)
	}
	made := reflect.MakeMapWithSize(into.Type(), len(object))
	for name, member := range object {
		element := reflect.New(into.Type().Elem()).Elem()
		if err := decode(path+"."+name, member, element, false); err != nil {
			return err
		}
		made.SetMapIndex(reflect.ValueOf(name), element)
	}
	into.Set(made)
	return nil
}

// number reads a whole number: in a document it is a JSON number.
func number(value any) (int, error) {
	switch n := value.(type) {
	case int:
		return n, nil
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("it has to be a whole number, not %v", value)
}

// wrongType tells no value, which may be secret.
func wrongType(path, want string, value any) error {
	return fmt.Errorf("%s has to be %s, and is %T", path, want, value)
}

// documentName gives a field's name in lowerCamelCase: apiHost for APIHost,
// cidrs for CIDRs.
func documentName(field string) string {
	letters := []rune(field)
	capitals := 0
	for capitals < len(letters) && unicode.IsUpper(letters[capitals]) {
		capitals++
	}
	// The last of several capitals begins the next word, unless the name ends
	// there, or with the s of a plural.
	if rest := string(letters[capitals:]); capitals > 1 && rest != "" && rest != "s" {
		capitals--
	}
	return strings.ToLower(string(letters[:capitals])) + string(letters[capitals:])
}
