// Package config reads settings from environment variables. Every variable of
// Trivet's programs is declared in this package, so that a mistyped one is
// refused wherever it is set, and docs/configuration.md lists them all.
//
// A variable NAME may be given as NAME_FILE instead: the path of a file that
// holds the value, such as a mounted secret. A variable that is set to nothing
// is as good as one that is not set.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

const (
	prefix     = "TRIVET_"
	fileSuffix = "_FILE"
)

// Error says in one line what is wrong with one variable. It never shows the
// value, which may be a secret.
type Error struct {
	Name    string
	Problem string
}

func (e *Error) Error() string { return e.Name + ": " + e.Problem }

// Load fills the structs that dst point to from an environment in the form of
// os.Environ, and then calls the Validate method of those that have one. The
// first problem, in the order of the variables' names, is the error: an
// [Error] that names the variable.
func Load(environ []string, dst ...any) error {
	given := env.ToMap(environ)
	if err := checkNames(given, knownNames(dst)); err != nil {
		return err
	}
	if err := readFiles(given); err != nil {
		return err
	}
	for _, d := range dst {
		if err := env.ParseWithOptions(d, env.Options{Environment: given}); err != nil {
			return explain(d, given, err)
		}
		noteFiles(d, given)
	}
	for _, d := range dst {
		if v, ok := d.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Overlay gives the environment with settings, by their variables' names, put
// over it: each replaces its variable, in either form.
func Overlay(environ []string, settings map[string]string) []string {
	out := slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		_, replaced := settings[strings.TrimSuffix(name, fileSuffix)]
		return replaced
	})
	for name, value := range settings {
		out = append(out, name+"="+value)
	}
	return out
}

// Underlay gives the environment with settings, by their variables' names, put
// under it: each counts where its variable is not set in either form.
func Underlay(environ []string, settings map[string]string) []string {
	missing := make(map[string]string, len(settings))
	for name, value := range settings {
		if !IsSet(environ, name) {
			missing[name] = value
		}
	}
	return Overlay(environ, missing)
}

// IsSet tells whether the environment sets a variable, in either form.
func IsSet(environ []string, name string) bool {
	given := env.ToMap(environ)
	return given[name] != "" || given[name+fileSuffix] != ""
}

// checkNames refuses a variable with Trivet's prefix that none of its programs
// reads: it was mistyped, or is meant for another version.
func checkNames(given map[string]string, known []string) error {
	for _, name := range sortedNames(given) {
		if slices.Contains(known, strings.TrimSuffix(name, fileSuffix)) || isServiceLink(given, name) {
			continue
		}
		problem := "unknown variable"
		if meant := nearest(strings.TrimSuffix(name, fileSuffix), known); meant != "" {
			problem += "; did you mean " + meant + "?"
		}
		return &Error{Name: name, Problem: problem}
	}
	return nil
}

// isServiceLink tells the variables that Kubernetes sets in every container
// for a service whose name begins with "trivet", such as
// TRIVET_API_SERVICE_HOST and TRIVET_API_PORT=tcp://….
func isServiceLink(given map[string]string, name string) bool {
	if given["KUBERNETES_SERVICE_HOST"] == "" {
		return false
	}
	return strings.HasSuffix(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(given[name], "://") ||
		strings.Contains(name, "_PORT_")
}

// readFiles puts the content of each NAME_FILE in the place of NAME.
func readFiles(given map[string]string) error {
	for _, fileName := range sortedNames(given) {
		name, isFile := strings.CutSuffix(fileName, fileSuffix)
		path := given[fileName]
		if !isFile || path == "" {
			continue
		}
		if given[name] != "" {
			return &Error{Name: fileName, Problem: name + " is set too; only one of them may be"}
		}
		value, err := readValue(path)
		if err != nil {
			return &Error{Name: fileName, Problem: err.Error()}
		}
		given[name] = value
	}
	return nil
}

// readValue reads a file that holds a variable's value.
func readValue(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("the file %s is empty", path)
	}
	return value, nil
}

// noteFiles tells the settings of a struct that may be read again which files
// they are from.
func noteFiles(dst any, given map[string]string) {
	v := reflect.ValueOf(dst).Elem()
	for i := range v.NumField() {
		if s, ok := v.Field(i).Addr().Interface().(interface{ noteFile(path string) }); ok {
			s.noteFile(given[v.Type().Field(i).Tag.Get("env")+fileSuffix])
		}
	}
}

// explain finds the variable behind an error of the parser, which names
// struct fields, by trying each one alone.
func explain(dst any, given map[string]string, err error) error {
	for _, v := range variables(dst) {
		value, set := given[v.Name]
		if !set {
			continue
		}
		alone := env.Options{Environment: map[string]string{v.Name: value}}
		failure := env.ParseWithOptions(reflect.New(reflect.TypeOf(dst).Elem()).Interface(), alone)
		if failure == nil {
			continue
		}
		return &Error{Name: v.Name, Problem: "malformed; expected " + expected(failure)}
	}
	return fmt.Errorf("read the configuration: %w", err)
}

// expected says what a variable should have held.
func expected(failure error) string {
	var parse env.ParseError
	if !errors.As(failure, &parse) {
		return "another value"
	}
	var malformed *formatError
	if errors.As(parse.Err, &malformed) {
		return malformed.expected
	}
	return kindText(parse.Type)
}

// sortedNames gives the names with Trivet's prefix in order.
func sortedNames(given map[string]string) []string {
	var names []string
	for name := range given {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
