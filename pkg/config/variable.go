package config

import (
	"log/slog"
	"reflect"
	"time"

	"github.com/trivetkv/trivet/pkg/spelling"
)

// Variable describes one environment variable.
type Variable struct {
	Name    string
	Default string
	Doc     string // one sentence of Markdown
	Secret  bool   // its value must not be shown
}

// variables lists what a pointer to a struct of settings declares: its fields
// with the tags env, envDefault and doc, those of inner structs too.
func variables(dst any) []Variable { return fieldsOf(reflect.TypeOf(dst).Elem()) }

func fieldsOf(t reflect.Type) []Variable {
	var found []Variable
	for i := range t.NumField() {
		field := t.Field(i)
		name := field.Tag.Get("env")
		if name != "" {
			found = append(found, Variable{
				Name:    name,
				Default: field.Tag.Get("envDefault"),
				Doc:     field.Tag.Get("doc"),
				Secret:  field.Type == reflect.TypeFor[Secret]() || field.Type == reflect.TypeFor[RotatedSecret](),
			})
			continue
		}
		if field.Type.Kind() == reflect.Struct {
			found = append(found, fieldsOf(field.Type)...)
		}
	}
	return found
}

// knownNames lists every variable of Trivet, and what dst declare besides.
func knownNames(dst []any) []string {
	var names []string
	add := func(d any) {
		for _, v := range variables(d) {
			names = append(names, v.Name)
		}
	}
	for _, s := range sections {
		add(s.settings)
	}
	for _, d := range dst {
		add(d)
	}
	return names
}

// nearest gives the known name that was probably meant, "" when none is close.
func nearest(name string, known []string) string {
	best, bestDistance := "", 4
	for _, k := range known {
		if d := spelling.Distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// kindText says in words what a field of a type takes.
func kindText(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 90s or 1h30m"
	case reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint, reflect.Uint64, reflect.Uint32:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "another value"
	}
}
