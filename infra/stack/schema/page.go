package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

const pageHead = `# Settings of a stack

A stack file, ` + "`stacks/Pulumi.NAME.yaml`" + `, says what differs from the defaults of its tier. Each name below is a key of
it, with ` + "`trivet:`" + ` before it:

` + "```yaml" + `
# yaml-language-server: $schema=stack.schema.json
config:
  trivet:tier: prod
  trivet:domain: kv.example.com
  trivet:database:
    instanceType: db.r6g.large
` + "```" + `

With the first line, editors that know YAML complete and check the rest. A list replaces the default's list; an object adds to it.
Settings that do not exist are refused, and so is what production does not allow: everything that is wrong is told at once, before
anything is made.

"lean" is production with ` + "`profile: lean`" + `. No default is shown as –.

This page is written from the types in ` + "`infra/stack`" + ` and ` + "`infra/platform`" + ` by ` + "`go run ./infra/stack/schema`" + `.
`

// A column is the defaults of a tier.
type column struct {
	title  string
	values map[string]string // by setting
}

// pageOf gives the page of every setting.
func pageOf(settings []setting) string {
	columns := []column{
		defaultsOf("dev", platform.Dev, ""), defaultsOf("staging", platform.Staging, ""),
		defaultsOf("prod", platform.Prod, ""), defaultsOf("lean", platform.Prod, stack.ProfileLean),
	}
	var page strings.Builder
	page.WriteString(pageHead)
	var plain, objects []setting
	for _, s := range settings {
		if len(s.Settings) > 0 || s.Element != nil && len(s.Element.Settings) > 0 {
			objects = append(objects, s)
		} else {
			plain = append(plain, s)
		}
	}
	table(&page, columns, "The stack as a whole", "", plain)
	for _, s := range objects {
		within := s.Settings
		if s.Element != nil {
			within = s.Element.Settings
		}
		table(&page, columns, "`"+s.Name+"`", s.Comment, flat(within))
	}
	return page.String()
}

// flat gives the settings of objects within objects in their place.
func flat(settings []setting) []setting {
	var all []setting
	for _, s := range settings {
		if len(s.Settings) > 0 {
			all = append(all, flat(s.Settings)...)
		} else {
			all = append(all, s)
		}
	}
	return all
}

func table(page *strings.Builder, columns []column, title, comment string, settings []setting) {
	fmt.Fprintf(page, "\n## %s\n", title)
	if comment != "" {
		fmt.Fprintf(page, "\n%s.\n", capital(comment))
	}
	page.WriteString("\n| setting | meaning | values |")
	for _, c := range columns {
		fmt.Fprintf(page, " %s |", c.title)
	}
	page.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, s := range settings {
		fmt.Fprintf(page, "| `%s` | %s | %s |", s.Path, cell(s.Comment), cell(s.values()))
		for _, c := range columns {
			fmt.Fprintf(page, " %s |", c.of(s.Path))
		}
		page.WriteString("\n")
	}
}

// values says in words what a setting may be.
func (s setting) values() string {
	switch {
	case s.Type.Kind() == reflect.Bool:
		return "true, false"
	case s.Type.Kind() == reflect.Slice:
		return "list: " + s.Element.values()
	case s.Type.Kind() == reflect.Map:
		return "by name: " + s.Element.values()
	case s.Limit.Choices != nil:
		return strings.Join(s.Limit.Choices, ", ")
	case s.Limit.Numbers != nil:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Limit.Numbers), " ", ", "), "[]")
	case s.Limit.Want != "":
		return s.Limit.Want
	case s.Type.Kind() == reflect.Int:
		return fmt.Sprintf("%d to %d", s.Limit.Min, s.Limit.Max)
	default:
		return "text"
	}
}

// defaultsOf gives the defaults of a tier as text, by setting.
func defaultsOf(title string, tier platform.Tier, profile stack.Profile) column {
	c := column{title: title, values: make(map[string]string)}
	c.collect("", reflect.ValueOf(stack.Defaults(tier, profile)))
	return c
}

func (c column) collect(path string, of reflect.Value) {
	for i := range of.NumField() {
		switch name := of.Type().Field(i).Tag.Get("json"); name {
		case "-":
		case ",inline":
			c.collect(path, of.Field(i))
		default:
			c.note(join(path, name), of.Field(i))
		}
	}
}

func (c column) note(setting string, value reflect.Value) {
	switch value.Kind() {
	case reflect.Struct:
		c.collect(setting, value)
	case reflect.Map:
		c.noteElements(setting, value)
	default:
		c.values[setting] = fmt.Sprint(value.Interface())
	}
}

// noteElements puts the defaults of a map's elements one below the other.
func (c column) noteElements(setting string, of reflect.Value) {
	names := make([]string, 0, of.Len())
	for _, key := range of.MapKeys() {
		names = append(names, key.String())
	}
	slices.Sort(names)
	lines := make(map[string][]string)
	for _, name := range names {
		element := column{values: make(map[string]string)}
		element.note(join(setting, "*"), of.MapIndex(reflect.ValueOf(name)))
		for path, value := range element.values {
			if value != "" {
				lines[path] = append(lines[path], name+" "+value)
			}
		}
	}
	for path, values := range lines {
		c.values[path] = strings.Join(values, "<br>")
	}
}

func (c column) of(setting string) string {
	switch value := c.values[setting]; value {
	case "", "[]", "map[]":
		return "–"
	default:
		return cell(strings.Trim(value, "[]"))
	}
}

// cell makes a text fit into a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
