package kubernetes

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// autonamed marks objects whose name was made up, as the provider does.
const autonamed = "pulumi.com/autonamed"

// Check names the object and its namespace, and decodes it.
func (s *session) Check(
	r standin.Resource, inputs resource.PropertyMap, naming standin.Naming,
) (resource.PropertyMap, []schema.Failure) {
	var failures []schema.Failure
	if definition, known := s.schema.Resources[r.Type]; known {
		failures = s.schema.Check(definition.Inputs, inputs)
	}
	group, kind := groupVersionOf(r.Type)
	inputs["apiVersion"], inputs["kind"] = resource.NewProperty(group), resource.NewProperty(kind)

	metadata := resource.PropertyMap{}
	if given := inputs["metadata"]; given.IsObject() {
		metadata = given.ObjectValue()
	}
	if failure := name(r, metadata, naming); failure != nil {
		return inputs, append(failures, *failure)
	}
	if _, given := metadata["namespace"]; !given && s.namespaced(group, kind) {
		metadata["namespace"] = resource.NewProperty(s.namespace)
	}
	inputs["metadata"] = resource.NewProperty(metadata)
	if len(failures) > 0 {
		return inputs, failures // the decoder would say the same again
	}
	return inputs, s.decoder.check(group, kind, inputs)
}

// groupVersionOf gives the apiVersion and kind of a token such as
// kubernetes:apps/v1:Deployment.
func groupVersionOf(token string) (group, kind string) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return "", token
	}
	return strings.TrimPrefix(parts[1], "core/"), parts[2]
}

// name names the object, unless it has a name.
func name(r standin.Resource, metadata resource.PropertyMap, naming standin.Naming) *schema.Failure {
	if given, ok := metadata["name"]; ok && !given.IsNull() {
		return nil
	}
	if _, generated := metadata["generateName"]; generated {
		return nil
	}
	var made string
	old := naming.Old["metadata"]
	switch {
	case old.IsObject() && marked(old.ObjectValue()):
		made = text(old.ObjectValue()["name"])
	case naming.Disabled:
		return &schema.Failure{Path: "metadata.name", Reason: "automatic naming is off: a name has to be given"}
	case naming.Proposed != "":
		made = naming.Proposed
	default:
		random, err := resource.NewUniqueName(naming.Seed, r.Name+"-", 8, 63, nil)
		if err != nil {
			return &schema.Failure{Path: "metadata.name", Reason: err.Error()}
		}
		made = random
	}
	annotations := resource.PropertyMap{}
	if given := metadata["annotations"]; given.IsObject() {
		annotations = given.ObjectValue()
	}
	annotations[autonamed] = resource.NewProperty("true")
	metadata["name"], metadata["annotations"] = resource.NewProperty(made), resource.NewProperty(annotations)
	return nil
}

func marked(metadata resource.PropertyMap) bool {
	annotations := metadata["annotations"]
	return annotations.IsObject() && text(annotations.ObjectValue()[autonamed]) == "true"
}

// clusterWide are the kinds that are in no namespace.
var clusterWide = []string{
	"APIService", "CSIDriver", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "MutatingWebhookConfiguration",
	"Namespace", "Node", "PersistentVolume", "PriorityClass", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
	"ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
}

// namespaced tells whether objects of a kind are in a namespace, by the
// cluster where there is one.
func (s *session) namespaced(group, kind string) bool {
	if s.cluster != nil {
		if mapping, err := s.cluster.mapping(group, kind); err == nil {
			return mapping.Scope.Name() == "namespace"
		}
	}
	return !slices.Contains(clusterWide, kind)
}

// fixed are the paths that cannot be changed in place, by kind.
var fixed = map[string][]string{
	"Deployment":            {"spec.selector"},
	"StatefulSet":           {"spec.selector", "spec.podManagementPolicy", "spec.serviceName", "spec.volumeClaimTemplates"},
	"DaemonSet":             {"spec.selector"},
	"Job":                   {"spec.completionMode", "spec.completions", "spec.podFailurePolicy", "spec.selector", "spec.template"},
	"Service":               {"spec.clusterIP"},
	"RoleBinding":           {"roleRef"},
	"ClusterRoleBinding":    {"roleRef"},
	"StorageClass":          {"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"},
	"PersistentVolumeClaim": {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	"ConfigMap":             {"binaryData", "data"},
	"Secret":                {"data", "stringData", "type"},
}

// Replaces tells whether another value at a path makes another object.
func (s *session) Replaces(r standin.Resource, path string) bool {
	_, kind := groupVersionOf(r.Type)
	paths := []string{"apiVersion", "kind", "metadata.name", "metadata.namespace"}
	mutable := kind == "ConfigMap" && s.mutableConfigMaps || kind == "Secret" && s.mutableSecrets
	if !mutable {
		paths = append(paths, fixed[kind]...)
	}
	return slices.ContainsFunc(paths, func(fixed string) bool {
		rest, below := strings.CutPrefix(path, fixed)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// DeletesFirst holds for objects that the program has named: another one of
// that name cannot be made beside them.
func (s *session) DeletesFirst(_ standin.Resource, inputs resource.PropertyMap) bool {
	metadata := inputs["metadata"]
	return !metadata.IsObject() || !marked(metadata.ObjectValue())
}

func text(value resource.PropertyValue) string {
	if value.IsString() {
		return value.StringValue()
	}
	return ""
}
