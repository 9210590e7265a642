package workloads_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads"
	"github.com/trivetkv/trivet/infra/workloads/workloadstest"
)

// form is one of the forms that workloads have.
type form struct {
	name string
	on   func(preview bool) *platform.Platform
	args workloads.Args
}

// passwords is a platform without a cloud: no vault, no identities, no broker, a
// balancer of the cluster's own.
func passwords(bool) *platform.Platform {
	on := workloadstest.Platform(false)
	admin := platform.Secret{Value: on.Database.Admin.Vault.Name}
	on.Services, on.Images, on.Broker, on.Zones = nil, nil, nil, 1
	on.Database.Login, on.Database.Admin, on.Cache.Password = platform.LoginPassword, admin, admin
	on.Edge.NodePort, on.Edge.StaticPort, on.Edge.IngressClass = 0, 0, "nginx"
	on.Signals, on.Nodes = platform.Signals{}, platform.NodeScaling{Kind: "none"}
	return on
}

func forms() []form {
	return []form{
		{"prod", workloadstest.Platform, workloadstest.Args(platform.Prod, stack.AutoscalingTrivet)},
		{"prod with hpa", workloadstest.Platform, workloadstest.Args(platform.Prod, stack.AutoscalingHPA)},
		{"dev", workloadstest.Platform, workloadstest.Args(platform.Dev, stack.AutoscalingNone)},
		{"no cloud", passwords, workloadstest.Args(platform.Dev, stack.AutoscalingTrivet)},
	}
}

func run(t *testing.T, on *platform.Platform, args workloads.Args, preview bool) []workloadstest.Resource {
	t.Helper()
	resources, err := workloadstest.Run(workloadstest.Program(on, args), preview)
	if err != nil {
		t.Fatal(err)
	}
	return resources
}

// everywhere runs a test on every form's resources.
func everywhere(t *testing.T, test func(t *testing.T, f form, resources []workloadstest.Resource)) {
	t.Helper()
	t.Parallel()
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			test(t, f, run(t, f.on(false), f.args, false))
		})
	}
}

// objects decodes the manifests that Kubernetes itself knows, strictly: a field
// that it does not have is an error.
func objects(t *testing.T, resources []workloadstest.Resource) map[string]runtime.Object {
	t.Helper()
	decoder := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, serializer.SerializerOptions{Strict: true})
	all := make(map[string]runtime.Object)
	for _, r := range resources {
		text, err := r.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if text == nil || strings.Contains(r.Type, "secrets-store.csi") {
			continue
		}
		object, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Errorf("%s %s: %v", r.Type, r.Name, err)
			continue
		}
		all[strings.TrimPrefix(r.Type, "kubernetes:")+" "+r.Name] = object
	}
	return all
}

func get[T runtime.Object](t *testing.T, all map[string]runtime.Object, name string) T {
	t.Helper()
	object, ok := all[name].(T)
	if !ok {
		names := make([]string, 0, len(all))
		for n := range all {
			names = append(names, n)
		}
		slices.Sort(names)
		t.Fatalf("there is no %s among\n%s", name, strings.Join(names, "\n"))
	}
	return object
}

// templates finds every pod template among manifests.
func templates(t *testing.T, resources []workloadstest.Resource) map[string]*corev1.PodTemplateSpec {
	t.Helper()
	found := make(map[string]*corev1.PodTemplateSpec)
	for name, object := range objects(t, resources) {
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		var holder struct {
			Spec struct{ Template *corev1.PodTemplateSpec }
		}
		if json.Unmarshal(text, &holder) == nil && holder.Spec.Template != nil {
			found[name] = holder.Spec.Template
		}
	}
	return found
}

func TestManifestsHaveNoFieldThatKubernetesDoesNotKnow(t *testing.T) {
	everywhere(t, func(t *testing.T, _ form, resources []workloadstest.Resource) {
		if all := objects(t, resources); len(all) < 20 {
			t.Errorf("%d objects", len(all))
		}
	})
}

func TestPodsPassTheRestrictedStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	everywhere(t, func(t *testing.T, _ form, resources []workloadstest.Resource) {
		found := templates(t, resources)
		if len(found) < 4 {
			t.Errorf("%d pod templates", len(found))
		}
		for name, template := range found {
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec))
			if !result.Allowed {
				t.Errorf("%s: %s", name, result.ForbiddenDetail())
			}
		}
	})
}

func TestEveryResourceHasAComponentAsItsParent(t *testing.T) {
	everywhere(t, func(t *testing.T, _ form, resources []workloadstest.Resource) {
		components := make(map[string]bool)
		for _, r := range resources {
			if !r.Custom {
				components[r.URN] = true
			}
		}
		for _, r := range resources {
			top := r.Type == "trivet:workloads:Workloads" || r.Type == "pulumi:pulumi:Stack"
			if !top && !components[r.Parent] {
				t.Errorf("%s %s has the parent %q", r.Type, r.Name, r.Parent)
			}
			if !strings.HasPrefix(r.Name, "trivet-") && r.Type != "pulumi:pulumi:Stack" {
				t.Errorf("%s has the name %s", r.Type, r.Name)
			}
		}
	})
}

// TestNothingIsMadeOfWhatIsNotKnown previews on a platform of which everything
// is still to be made: what the engine would be shown has to be complete.
func TestNothingIsMadeOfWhatIsNotKnown(t *testing.T) {
	everywhere(t, func(t *testing.T, f form, resources []workloadstest.Resource) {
		previewed := run(t, f.on(true), f.args, true)
		names := func(all []workloadstest.Resource) []string {
			list := make([]string, len(all))
			for i, r := range all {
				list[i] = r.Type + " " + r.Name
			}
			slices.Sort(list)
			return list
		}
		if had, has := names(resources), names(previewed); !slices.Equal(had, has) {
			t.Errorf("known:\n%v\nunknown:\n%v", had, has)
		}
	})
}

func TestALogicalNameIsOfOneResourceOfItsType(t *testing.T) {
	everywhere(t, func(t *testing.T, _ form, resources []workloadstest.Resource) {
		seen := make(map[string]bool)
		for _, r := range resources {
			if seen[r.URN] {
				t.Errorf("%s is there twice", r.URN)
			}
			seen[r.URN] = true
		}
	})
}

func TestAServiceWithoutAnImageIsRefused(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"api", "consumer", "autoscaler", "node-autoscaler"} {
		args := workloadstest.Args(platform.Prod, stack.AutoscalingTrivet)
		configured := args.Services[service]
		configured.Image = ""
		args.Services[service] = configured
		_, err := workloadstest.Run(workloadstest.Program(workloadstest.Platform(false), args), false)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("service %s: the stack file names no image", service)) {
			t.Errorf("%s: %v", service, err)
		}
	}
}
