package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// templates make values up: the same ones for the same object in every
// rehearsal. Within braces a template may name
//
//	id name region     the object's own
//	hex upper uuid     made up; hex:13 has 13 digits, hex:8:zone another 8
//	.clusterName       an output of the object; .a.0.b goes into lists and objects
//	any other word     a fact of the session, such as account
type templates struct {
	simulation *Simulation
	object     *Object
	naming     Names
}

var placeholder = regexp.MustCompile(`\{[.a-z][^{}"]*\}`)

func (t templates) text(template string) string {
	return placeholder.ReplaceAllStringFunc(template, func(found string) string {
		return t.word(found[1 : len(found)-1])
	})
}

func (t templates) word(word string) string {
	if path, ok := strings.CutPrefix(word, "."); ok {
		return t.property(strings.Split(path, "."))
	}
	name, rest, _ := strings.Cut(word, ":")
	size, label, _ := strings.Cut(rest, ":")
	digits, err := strconv.Atoi(size)
	if err != nil {
		digits = 17
	}
	switch name {
	case "id":
		return t.object.ID
	case "name":
		return t.name()
	case "region":
		return t.object.Region
	case "hex":
		return t.random(label)[:digits]
	case "upper":
		return upper(t.random(label))[:digits]
	case "uuid":
		h := t.random(rest)
		return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
	default:
		return t.simulation.Facts[name]
	}
}

func (t templates) random(label string) string {
	sum := sha256.Sum256([]byte(t.object.Seed + label))
	return hex.EncodeToString(sum[:])
}

// upper turns hexadecimal digits into capital letters and digits.
func upper(digits string) string {
	const letters = "A3B7C2D9E5F8G4H6"
	var b strings.Builder
	for _, d := range digits {
		value, _ := strconv.ParseUint(string(d), 16, 8)
		b.WriteByte(letters[value])
	}
	return b.String()
}

func (t templates) name() string {
	if t.naming.Property != "" {
		if value, ok := t.object.Outputs[resource.PropertyKey(t.naming.Property)]; ok && value.IsString() {
			return value.StringValue()
		}
	}
	return t.object.Name
}

// prefixed makes the name of what was given the beginning of one.
func (t templates) prefixed(definition *schema.Resource) {
	key := resource.PropertyKey(t.naming.Property)
	if _, has := definition.Outputs[t.naming.Property]; !has {
		return
	}
	if prefix := t.object.Inputs[key+"Prefix"]; prefix.IsString() && prefix.StringValue() != "" {
		t.object.Outputs[key] = resource.NewProperty(prefix.StringValue() + t.random("name")[:26])
	}
}

func (t templates) property(path []string) string {
	value, ok := t.object.Outputs[resource.PropertyKey(path[0])]
	if !ok {
		value, ok = t.object.Inputs[resource.PropertyKey(path[0])]
	}
	for _, step := range path[1:] {
		switch {
		case !ok:
		case value.IsObject():
			value, ok = value.ObjectValue()[resource.PropertyKey(step)]
		case value.IsArray():
			i, err := strconv.Atoi(step)
			if ok = err == nil && i < len(value.ArrayValue()); ok {
				value = value.ArrayValue()[i]
			}
		default:
			ok = false
		}
	}
	switch {
	case ok && value.IsString():
		return value.StringValue()
	case ok && value.IsNumber():
		return strconv.FormatFloat(value.NumberValue(), 'f', -1, 64)
	}
	return ""
}

// id makes the object's id by its kind.
func (t templates) id(kind Kind) string {
	switch {
	case kind.ID != "":
		return t.text(kind.ID)
	case kind.Naming.Property != "":
		return t.name()
	}
	return t.object.Name + "-" + t.random("")[:8]
}

// order puts arn first, which other outputs may name, and those after it that
// name another output.
func (t templates) order(outputs map[string]any) []string {
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	rank := func(name string) int {
		text := fmt.Sprint(outputs[name])
		if strings.Contains(text, "{.") {
			return 1
		}
		return 0
	}
	slices.SortFunc(names, func(a, b string) int {
		if order := rank(a) - rank(b); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	return names
}

// expand gives the value of a template, or of a value with templates within.
func (t templates) expand(value any) resource.PropertyValue {
	switch v := value.(type) {
	case string:
		return resource.NewProperty(t.text(v))
	case []any:
		elements := make([]resource.PropertyValue, len(v))
		for i, element := range v {
			elements[i] = t.expand(element)
		}
		return resource.NewProperty(elements)
	case map[string]any:
		object := resource.PropertyMap{}
		for key, element := range v {
			object[resource.PropertyKey(key)] = t.expand(element)
		}
		return resource.NewProperty(object)
	}
	return resource.NewPropertyValue(value)
}

// invent makes up a value for an output about which nothing but its name and
// type is known.
func (t templates) invent(name string, typ schema.Type) resource.PropertyValue {
	switch {
	case strings.HasPrefix(string(typ), "[]"):
		return resource.NewProperty([]resource.PropertyValue{})
	case strings.HasPrefix(string(typ), "map["):
		return resource.NewProperty(resource.PropertyMap{})
	}
	switch typ {
	case "string":
		return resource.NewProperty(t.inventText(name))
	case "bool":
		return resource.NewProperty(false)
	case "int", "number":
		return resource.NewProperty(0.0)
	case "asset":
		return resource.NewProperty(&asset.Asset{Text: "{}"})
	case "any":
		return resource.NewProperty("")
	}
	object := resource.PropertyMap{}
	for key, nested := range t.simulation.Schema.Types[string(typ)] {
		if nested.Required() {
			object[resource.PropertyKey(key)] = t.invent(name+"."+key, nested.Plain())
		}
	}
	return resource.NewProperty(object)
}

func (t templates) inventText(name string) string {
	switch name {
	case "id":
		return t.object.ID
	case "region":
		return t.object.Region
	case "arn":
		return t.text("arn:{partition}:" + t.service() + ":{region}:{account}:" + strings.ToLower(t.typeName()) + "/{id}")
	}
	return t.object.Name + "-" + strings.ToLower(name[strings.LastIndex(name, ".")+1:]) + "-" + t.random(name)[:8]
}

// service is the module of the type, such as ec2 of aws:ec2/vpc:Vpc.
func (t templates) service() string {
	parts := strings.Split(t.object.Type, ":")
	if len(parts) < 2 {
		return t.simulation.Schema.Name
	}
	module, _, _ := strings.Cut(parts[1], "/")
	return module
}

func (t templates) typeName() string {
	return t.object.Type[strings.LastIndex(t.object.Type, ":")+1:]
}
