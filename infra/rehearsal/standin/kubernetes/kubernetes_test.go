package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

func newSession(t *testing.T, config map[string]any) standin.Session {
	t.Helper()
	provider, err := New(standin.NewCloud(), "")
	if err != nil {
		t.Fatal(err)
	}
	session, err := provider.Configure(resource.NewPropertyMapFromMap(config))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func of(typ, name string) standin.Resource {
	return standin.Resource{URN: resource.URN("urn:pulumi:test::trivet::" + typ + "::" + name), Type: typ, Name: name}
}

const deploymentType = "kubernetes:apps/v1:Deployment"

// deployment gives a good one, changed by a function.
func deployment(change func(spec map[string]any)) resource.PropertyMap {
	labels := map[string]any{"app": "api"}
	spec := map[string]any{
		"replicas": 3, "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "api", "image": "api@sha256:0"}}},
		},
	}
	if change != nil {
		change(spec)
	}
	return resource.NewPropertyMapFromMap(map[string]any{"metadata": map[string]any{"name": "api"}, "spec": spec})
}

func TestObjectsAreDecodedStrictly(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(spec map[string]any)
		want   string // empty: it is a good one
	}{
		"a good one":         {nil, ""},
		"an unknown field":   {func(spec map[string]any) { spec["replica"] = 3 }, "spec.replica"},
		"a wrong type":       {func(spec map[string]any) { spec["replicas"] = "three" }, "spec.replicas"},
		"a field of no name": {func(spec map[string]any) { container(spec)["imagePullpolicy"] = "Always" }, "imagePullpolicy"},
		"a missing field":    {func(spec map[string]any) { delete(container(spec), "name") }, "containers[0].name"},
		"a quantity that is none": {func(spec map[string]any) {
			container(spec)["resources"] = map[string]any{"limits": map[string]any{"cpu": "much"}}
		}, "quantit"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session := newSession(t, nil)
			_, failures := session.Check(of(deploymentType, "api"), deployment(c.change), standin.Naming{Seed: []byte("seed")})
			if (len(failures) > 0) != (c.want != "") {
				t.Fatalf("failures %v, want %q", failures, c.want)
			}
			if c.want != "" && !strings.Contains(failures[0].String(), c.want) {
				t.Errorf("failures %v, want one about %q", failures, c.want)
			}
		})
	}
}

func container(spec map[string]any) map[string]any {
	return spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
}

func TestWhatIsNotKnownYetFits(t *testing.T) {
	t.Parallel()
	inputs := deployment(nil)
	inputs["spec"].ObjectValue()["replicas"] = resource.MakeComputed(resource.NewProperty(""))
	if _, failures := newSession(t, nil).Check(of(deploymentType, "api"), inputs, standin.Naming{Seed: []byte("seed")}); len(failures) > 0 {
		t.Error(failures)
	}
}

func TestNamesAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	session := newSession(t, map[string]any{"namespace": "trivet"})
	r := of("kubernetes:core/v1:ConfigMap", "settings")
	first, failures := session.Check(r, resource.PropertyMap{}, standin.Naming{Seed: []byte("seed")})
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	metadata := first["metadata"].ObjectValue()
	if !strings.HasPrefix(text(metadata["name"]), "settings-") || text(metadata["namespace"]) != "trivet" {
		t.Errorf("metadata %v", metadata)
	}
	second, _ := session.Check(r, resource.PropertyMap{}, standin.Naming{Seed: []byte("other"), Old: first})
	if text(second["metadata"].ObjectValue()["name"]) != text(metadata["name"]) {
		t.Errorf("renamed from %v to %v", metadata, second["metadata"])
	}
	if session.DeletesFirst(r, first) || !session.DeletesFirst(r, deployment(nil)) {
		t.Error("only what the program has named has to go before its successor")
	}
	namespace, _ := session.Check(of("kubernetes:core/v1:Namespace", "trivet"), resource.PropertyMap{}, standin.Naming{Seed: []byte("seed")})
	if _, has := namespace["metadata"].ObjectValue()["namespace"]; has {
		t.Error("a namespace is in a namespace")
	}
}

func TestWhatCannotChangeInPlace(t *testing.T) {
	t.Parallel()
	strict, mutable := newSession(t, nil), newSession(t, map[string]any{"enableConfigMapMutable": "true"})
	cases := []struct {
		session standin.Session
		typ     string
		path    string
		want    bool
	}{
		{strict, deploymentType, "spec.replicas", false},
		{strict, deploymentType, "spec.selector.matchLabels.app", true},
		{strict, deploymentType, "spec.selectors", false},
		{strict, deploymentType, "metadata.name", true},
		{strict, deploymentType, "metadata.labels.app", false},
		{strict, "kubernetes:batch/v1:Job", "spec.template.spec.containers[0].image", true},
		{strict, "kubernetes:core/v1:ConfigMap", "data.a", true},
		{mutable, "kubernetes:core/v1:ConfigMap", "data.a", false},
	}
	for _, c := range cases {
		if got := c.session.Replaces(of(c.typ, "x"), c.path); got != c.want {
			t.Errorf("%s %s: %t, want %t", c.typ, c.path, got, c.want)
		}
	}
}

func TestSettingsThatDoNotExistAreRefused(t *testing.T) {
	t.Parallel()
	provider, err := New(standin.NewCloud(), "")
	if err != nil {
		t.Fatal(err)
	}
	failures := provider.CheckConfig(resource.NewPropertyMapFromMap(map[string]any{"kubeConfig": "x", "enableServerSideApply": "true"}))
	if len(failures) != 1 || failures[0].Path != "kubeConfig" {
		t.Errorf("failures %v", failures)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	conditions := func(kind, status string) map[string]any {
		return map[string]any{"conditions": []any{map[string]any{"type": kind, "status": status, "reason": "Because", "message": "why"}}}
	}
	rolled := func(updated, available int64) map[string]any {
		return map[string]any{"observedGeneration": int64(2), "replicas": int64(3), "updatedReplicas": updated, "availableReplicas": available}
	}
	cases := map[string]struct {
		kind    string
		status  map[string]any
		missing bool
		failed  bool
	}{
		"a deployment that nobody has seen":     {"Deployment", map[string]any{}, true, false},
		"a deployment on its way":               {"Deployment", rolled(3, 2), true, false},
		"a deployment with an old pod":          {"Deployment", rolled(2, 3), true, false},
		"a deployment that is there":            {"Deployment", rolled(3, 3), false, false},
		"a deployment that has given up":        {"Deployment", merge(rolled(1, 1), conditions("Progressing", "False")), false, true},
		"a job that runs":                       {"Job", map[string]any{}, true, false},
		"a job that has run":                    {"Job", conditions("Complete", "True"), false, false},
		"a job that has failed":                 {"Job", conditions("Failed", "True"), false, true},
		"a namespace":                           {"Namespace", map[string]any{"phase": "Active"}, false, false},
		"a definition that nobody serves yet":   {"CustomResourceDefinition", map[string]any{}, true, false},
		"a config map, which waits for nothing": {"ConfigMap", nil, false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &unstructured.Unstructured{Object: map[string]any{
				"kind": c.kind, "metadata": map[string]any{"generation": int64(2)}, "spec": map[string]any{"replicas": int64(3)}, "status": c.status,
			}}
			missing, err := notReady(o)
			if (missing != "") != c.missing || (err != nil) != c.failed {
				t.Errorf("missing %q, %v", missing, err)
			}
		})
	}
}

func merge(a, b map[string]any) map[string]any {
	for key, value := range b {
		a[key] = value
	}
	return a
}

func TestEveryFixedKindIsOneOfTheSchema(t *testing.T) {
	t.Parallel()
	provider, err := New(standin.NewCloud(), "")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for token := range provider.schema.Resources {
		_, kind := groupVersionOf(token)
		kinds = append(kinds, kind)
	}
	for kind := range fixed {
		if !slices.Contains(kinds, kind) {
			t.Errorf("no kind %s", kind)
		}
	}
}
