package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Object is a resource that was made in a [Cloud].
type Object struct {
	Resource
	ID      string
	Inputs  resource.PropertyMap
	Outputs resource.PropertyMap
	Region  string
	Seed    string // of everything that is made up for it
}

func (o *Object) clone() *Object {
	copied := *o
	copied.Inputs, copied.Outputs = o.Inputs.Copy(), o.Outputs.Copy()
	return &copied
}

// Cloud is what the stand-ins have made so far. It is safe for concurrent use;
// objects that go in and come out are copies.
type Cloud struct {
	// Silent lets previews tell nothing of what will be made, not even what
	// was asked for: every output is unknown.
	Silent bool

	mu      sync.Mutex
	objects map[objectKey]*Object
	made    map[resource.URN]int // how often a resource was made
	told    map[string]bool      // every text of every output
	faults  []*fault
}

type objectKey struct{ typ, id string }

// NewCloud gives an empty cloud in which the faults will happen.
func NewCloud(faults ...Fault) *Cloud {
	c := &Cloud{objects: map[objectKey]*Object{}, made: map[resource.URN]int{}, told: map[string]bool{}}
	for _, f := range faults {
		c.faults = append(c.faults, &fault{Fault: f})
	}
	return c
}

// Seed gives the seed of the next object of a resource: the same in every
// rehearsal, and another one when the resource is made again.
func (c *Cloud) Seed(urn resource.URN) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", urn, c.made[urn]))
	return hex.EncodeToString(sum[:])
}

// Add puts a new object in. It is refused when another one has its id.
func (c *Cloud) Add(o *Object) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := objectKey{o.Type, o.ID}
	if _, taken := c.objects[key]; taken {
		return fmt.Errorf("AlreadyExists: %s %q exists already", o.Type, o.ID)
	}
	c.objects[key] = o.clone()
	c.made[o.URN]++
	c.told[o.ID] = true
	for key, value := range o.Outputs {
		if _, given := o.Inputs[key]; !given || value.IsObject() {
			c.issue(value)
		}
	}
	return nil
}

// Get gives an object, or nil.
func (c *Cloud) Get(typ, id string) *Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.objects[objectKey{typ, id}]; ok {
		return o.clone()
	}
	return nil
}

// Replace changes an object that is there.
func (c *Cloud) Replace(o *Object) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := objectKey{o.Type, o.ID}
	if _, ok := c.objects[key]; !ok {
		return fmt.Errorf("NotFound: there is no %s %q", o.Type, o.ID)
	}
	c.objects[key] = o.clone()
	return nil
}

// Remove takes an object out; that it is not there is no failure, as its
// absence is what was wanted.
func (c *Cloud) Remove(typ, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.objects, objectKey{typ, id})
	delete(c.told, id)
}

// Objects gives all objects in the order of their URNs.
func (c *Cloud) Objects() []*Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	objects := make([]*Object, 0, len(c.objects))
	for _, o := range c.objects {
		objects = append(objects, o.clone())
	}
	slices.SortFunc(objects, func(a, b *Object) int {
		if order := strings.Compare(string(a.URN), string(b.URN)); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	return objects
}

// Duplicates are the resources that are there more than once: one that failed
// half-way and was made again, with the first one in nobody's state.
func (c *Cloud) Duplicates() []resource.URN {
	var duplicates []resource.URN
	objects := c.Objects()
	for i := 1; i < len(objects); i++ {
		if objects[i].URN == objects[i-1].URN && !slices.Contains(duplicates, objects[i].URN) {
			duplicates = append(duplicates, objects[i].URN)
		}
	}
	return duplicates
}
