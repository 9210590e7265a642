package standin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// diff compares inputs. A property whose new value is not known yet counts as
// changed.
func diff(session Session, r Resource, olds, news resource.PropertyMap) *pulumirpc.DiffResponse {
	response := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	keys := map[resource.PropertyKey]bool{}
	for key := range olds {
		keys[key] = true
	}
	for key := range news {
		keys[key] = true
	}
	for key := range keys {
		if strings.HasPrefix(string(key), "__") {
			continue
		}
		d := differ{replaces: func(path string) bool { return session.Replaces(r, path) }, found: response.DetailedDiff}
		d.values(string(key), present(olds[key]), present(news[key]))
		if !d.changed {
			continue
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, string(key))
		if d.replaced {
			response.Replaces = append(response.Replaces, string(key))
		}
	}
	slices.Sort(response.Diffs)
	slices.Sort(response.Replaces)
	response.DeleteBeforeReplace = len(response.Replaces) > 0 && session.DeletesFirst(r, news)
	return response
}

// present treats null as absent, as providers do.
func present(value resource.PropertyValue) *resource.PropertyValue {
	if value.V == nil || value.IsNull() {
		return nil
	}
	return &value
}

// differ compares one input.
type differ struct {
	replaces          func(path string) bool
	found             map[string]*pulumirpc.PropertyDiff
	changed, replaced bool
}

func (d *differ) values(path string, before, after *resource.PropertyValue) {
	switch {
	case before == nil && after == nil:
	case before == nil:
		d.add(path, pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE)
	case after == nil:
		d.add(path, pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE)
	case before.IsObject() && after.IsObject():
		d.objects(path, before.ObjectValue(), after.ObjectValue())
	case before.IsArray() && after.IsArray():
		d.lists(path, before.ArrayValue(), after.ArrayValue())
	case after.ContainsUnknowns() || !before.DeepEquals(*after):
		d.add(path, pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE)
	}
}

func (d *differ) objects(path string, before, after resource.PropertyMap) {
	for key, value := range before {
		d.values(path+"."+string(key), present(value), present(after[key]))
	}
	for key, value := range after {
		if _, both := before[key]; !both {
			d.values(path+"."+string(key), nil, present(value))
		}
	}
}

func (d *differ) lists(path string, before, after []resource.PropertyValue) {
	for i := range max(len(before), len(after)) {
		var b, a *resource.PropertyValue
		if i < len(before) {
			b = present(before[i])
		}
		if i < len(after) {
			a = present(after[i])
		}
		d.values(fmt.Sprintf("%s[%d]", path, i), b, a)
	}
}

func (d *differ) add(path string, kind, replacing pulumirpc.PropertyDiff_Kind) {
	d.changed = true
	if d.replaces(path) {
		d.replaced, kind = true, replacing
	}
	d.found[path] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
}
