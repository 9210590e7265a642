package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Drift is a change that somebody makes to an object behind the engine's back.
type Drift struct {
	Type     string // token
	Nth      int    // which object of that type in the order of URNs, from 1
	Property string // a property at the top; empty deletes the object
	Value    resource.PropertyValue
}

// ParseDrift reads TYPE#N.PROPERTY=JSON, or TYPE#N:gone for a deletion, for
// instance aws:ec2/subnet:Subnet#1.mapPublicIpOnLaunch=true.
func ParseDrift(text string) (Drift, error) {
	typ, rest, found := strings.Cut(text, "#")
	if !found {
		return Drift{}, fmt.Errorf("drift %q: want TYPE#N.PROPERTY=JSON or TYPE#N:gone", text)
	}
	d := Drift{Type: typ}
	number, gone := strings.CutSuffix(rest, ":gone")
	if !gone {
		var change, value string
		number, change, _ = strings.Cut(rest, ".")
		d.Property, value, found = strings.Cut(change, "=")
		var decoded any
		if !found || d.Property == "" || json.Unmarshal([]byte(value), &decoded) != nil {
			return Drift{}, fmt.Errorf("drift %q: want a property and its value in JSON after the number", text)
		}
		d.Value = resource.NewPropertyValue(decoded)
	}
	nth, err := strconv.Atoi(number)
	if err != nil || nth < 1 {
		return Drift{}, fmt.Errorf("drift %q: want a number from 1 after #", text)
	}
	d.Nth = nth
	return d, nil
}

// Plant changes the cloud's own copy of an object and tells which resource it
// was.
func (c *Cloud) Plant(d Drift) (resource.URN, error) {
	nth := 0
	for _, o := range c.Objects() {
		if o.Type != d.Type {
			continue
		}
		if nth++; nth != d.Nth {
			continue
		}
		if d.Property == "" {
			c.Remove(o.Type, o.ID)
			return o.URN, nil
		}
		key := resource.PropertyKey(d.Property)
		o.Inputs[key], o.Outputs[key] = d.Value, d.Value
		return o.URN, c.Replace(o)
	}
	return "", fmt.Errorf("drift: there is no object %s#%d", d.Type, d.Nth)
}

// ErrNoTags says that there is nothing to plant a changed tag on.
var ErrNoTags = errors.New("drift: no object has tags or labels")

// PlantTag changes a tag by hand, on the first object of a stack that has any,
// and tells which resource it was; with labels, those of Kubernetes are tags
// too. It is the drift that is planted when nobody asks for another.
func (c *Cloud) PlantTag(stack string, labels bool) (resource.URN, error) {
	for _, o := range c.Objects() {
		if string(o.URN.Stack()) != stack {
			continue
		}
		for _, path := range []resource.PropertyPath{{"tags"}, {"metadata", "labels"}} {
			tags, ok := path.Get(resource.NewProperty(o.Inputs))
			if !ok || !tags.IsObject() || (len(path) > 1 && !labels) {
				continue
			}
			changed := tags.ObjectValue().Copy()
			changed["changed-by-hand"] = resource.NewProperty("yes")
			path.Set(resource.NewProperty(o.Inputs), resource.NewProperty(changed))
			path.Set(resource.NewProperty(o.Outputs), resource.NewProperty(changed))
			return o.URN, c.Replace(o)
		}
	}
	return "", ErrNoTags
}
