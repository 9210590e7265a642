package standin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// references refuses inputs that name something which is not there: an id that
// nobody was given, or none at all in a list of them.
func (s *Simulation) references(o *Object) error {
	if s.References == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(o.Inputs)) {
		if err := s.reference(string(key), o.Inputs[key]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Simulation) reference(path string, value resource.PropertyValue) error {
	switch {
	case value.IsString():
		if id := value.StringValue(); s.References.MatchString(id) && !s.Cloud.Knows(id) {
			return fmt.Errorf("NotFound: %s names %s, which does not exist", path, id)
		}
	case value.IsArray():
		for i, element := range value.ArrayValue() {
			if element.IsString() && element.StringValue() == "" && strings.HasSuffix(path, "Ids") {
				return fmt.Errorf("InvalidParameterValue: %s[%d] is empty", path, i)
			}
			if err := s.reference(fmt.Sprintf("%s[%d]", path, i), element); err != nil {
				return err
			}
		}
	case value.IsObject():
		for key, nested := range value.ObjectValue() {
			if err := s.reference(path+"."+string(key), nested); err != nil {
				return err
			}
		}
	}
	return nil
}

// issue remembers every text that an object has told, as an id may be.
func (c *Cloud) issue(value resource.PropertyValue) {
	switch {
	case value.IsString():
		c.told[value.StringValue()] = true
	case value.IsArray():
		for _, element := range value.ArrayValue() {
			c.issue(element)
		}
	case value.IsObject():
		for _, nested := range value.ObjectValue() {
			c.issue(nested)
		}
	}
}

// Knows tells whether an id is that of an object, or one that an object that
// was made has told.
func (c *Cloud) Knows(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told[id]
}
