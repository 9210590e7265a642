package schema

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Failure is one reason why a provider refuses properties.
type Failure struct {
	Path   string // such as scalingConfig.minSize or subnetIds[2]
	Reason string
}

func (f Failure) String() string { return f.Path + ": " + f.Reason }

// Check holds values against the properties that are allowed: every name has
// to be known, every value of its type, and what is required has to be there.
// A value that is not known yet fits every type. Objects are checked all the
// way down. Failures are in the order of their paths.
func (p *Provider) Check(allowed Properties, values resource.PropertyMap) []Failure {
	c := checker{provider: p}
	c.object("", allowed, values)
	slices.SortFunc(c.failures, func(a, b Failure) int { return strings.Compare(a.Path, b.Path) })
	return c.failures
}

type checker struct {
	provider *Provider
	failures []Failure
}

func (c *checker) fail(path, format string, args ...any) {
	c.failures = append(c.failures, Failure{Path: path, Reason: fmt.Sprintf(format, args...)})
}

func (c *checker) object(path string, allowed Properties, values resource.PropertyMap) {
	prefix := path
	if prefix != "" {
		prefix += "."
	}
	for key, value := range values {
		name := string(key)
		if strings.HasPrefix(name, "__") { // the engine's own marks
			continue
		}
		t, known := allowed[name]
		if !known {
			c.fail(prefix+name, "invalid or unknown key%s", nearest(name, allowed))
			continue
		}
		c.value(prefix+name, t.Plain(), value)
	}
	for name, t := range allowed {
		if value, given := values[resource.PropertyKey(name)]; t.Required() && (!given || value.IsNull()) {
			c.fail(prefix+name, "missing required argument: the argument %q is required, but no definition was found", name)
		}
	}
}

func (c *checker) value(path string, t Type, value resource.PropertyValue) {
	switch {
	case value.IsSecret():
		c.value(path, t, value.SecretValue().Element)
		return
	case value.IsOutput():
		if value.OutputValue().Known {
			c.value(path, t, value.OutputValue().Element)
		}
		return
	case value.IsComputed(), value.IsNull(), t == "any":
		return
	}
	if element, ok := t.element("[]"); ok {
		if !value.IsArray() {
			c.mismatch(path, "a list", value)
			return
		}
		for i, v := range value.ArrayValue() {
			if v.IsNull() {
				c.fail(fmt.Sprintf("%s[%d]", path, i), "null value found in list")
				continue
			}
			c.value(fmt.Sprintf("%s[%d]", path, i), element, v)
		}
		return
	}
	if element, ok := t.element("map[string]"); ok {
		if !value.IsObject() {
			c.mismatch(path, "a map", value)
			return
		}
		for key, v := range value.ObjectValue() {
			c.value(fmt.Sprintf("%s[%q]", path, key), element, v)
		}
		return
	}
	switch t {
	case "string":
		c.expect(value.IsString(), path, "a string", value)
	case "bool":
		c.expect(value.IsBool(), path, "a boolean", value)
	case "number":
		c.expect(value.IsNumber(), path, "a number", value)
	case "int":
		c.expect(value.IsNumber() && value.NumberValue() == math.Trunc(value.NumberValue()), path, "a whole number", value)
	case "asset":
		c.expect(value.IsAsset() || value.IsArchive(), path, "an asset", value)
	default:
		nested, known := c.provider.Types[string(t)]
		switch {
		case !known: // a type of a package that is not read
		case !value.IsObject():
			c.mismatch(path, "an object", value)
		default:
			c.object(path, nested, value.ObjectValue())
		}
	}
}

func (c *checker) expect(ok bool, path, want string, value resource.PropertyValue) {
	if !ok {
		c.mismatch(path, want, value)
	}
}

// mismatch names types alone: the value may be a secret.
func (c *checker) mismatch(path, want string, value resource.PropertyValue) {
	c.fail(path, "expected %s, got %s", want, value.TypeString())
}

// nearest suggests a known name that differs in case or has the same letters
// in front, which is how most names go wrong.
func nearest(name string, allowed Properties) string {
	best := ""
	for candidate := range allowed {
		if strings.EqualFold(candidate, name) {
			return fmt.Sprintf(", did you mean %q?", candidate)
		}
		if (strings.HasPrefix(candidate, name) || strings.HasPrefix(name, candidate)) && (best == "" || candidate < best) {
			best = candidate
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
