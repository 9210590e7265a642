package main

import (
	"fmt"
	"reflect"

	"github.com/trivetkv/trivet/infra/stack"
)

// A setting is one name in a stack file, with those within it.
type setting struct {
	Name    string // the last part: zones
	Path    string // network.zones, with * for any name
	Comment string // what it is
	Type    reflect.Type
	Limit   stack.Limit

	Settings []setting // of an object
	Element  *setting  // of a list, or of a map of any name
}

// readSettings gives the settings at the top of a stack file. What each of
// them is says the comment of its field in the source, below root.
func readSettings(root string) ([]setting, error) {
	comments, err := readComments(root, "infra/stack", "infra/platform")
	if err != nil {
		return nil, err
	}
	return comments.settings("", reflect.TypeFor[stack.Config]())
}

// settings gives those of a struct, in the order of its fields.
func (c comments) settings(path string, of reflect.Type) ([]setting, error) {
	var settings []setting
	for i := range of.NumField() {
		field := of.Field(i)
		switch name := field.Tag.Get("json"); name {
		case "-":
		case ",inline":
			beside, err := c.settings(path, field.Type)
			if err != nil {
				return nil, err
			}
			settings = append(settings, beside...)
		default:
			comment := c[of.Name()+"."+field.Name]
			if comment == "" {
				return nil, fmt.Errorf("%s.%s has no comment to tell what the setting %s is", of, field.Name, join(path, name))
			}
			made, err := c.setting(name, join(path, name), field.Type)
			if err != nil {
				return nil, err
			}
			made.Comment = comment
			settings = append(settings, made)
		}
	}
	return settings, nil
}

func (c comments) setting(name, path string, of reflect.Type) (setting, error) {
	made := setting{Name: name, Path: path, Type: of, Limit: stack.LimitOf(path)}
	var err error
	switch of.Kind() {
	case reflect.Struct:
		made.Settings, err = c.settings(path, of)
	case reflect.Slice, reflect.Map:
		var element setting
		element, err = c.setting("*", join(path, "*"), of.Elem())
		made.Element = &element
	}
	return made, err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
