package kubernetes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// notReady says what an object still waits for, empty when it is ready. What
// has nothing to wait for is ready at once.
func notReady(o *unstructured.Unstructured) (string, error) {
	switch o.GetKind() {
	case "Deployment":
		return rollout(o, "replicas", "updatedReplicas", "availableReplicas")
	case "StatefulSet":
		return rollout(o, "replicas", "updatedReplicas", "readyReplicas")
	case "DaemonSet":
		return daemons(o)
	case "Job":
		return job(o)
	case "Namespace":
		if phase, _, _ := unstructured.NestedString(o.Object, "status", "phase"); phase != "Active" {
			return "phase " + phase, nil
		}
	case "CustomResourceDefinition":
		if status, _ := condition(o, "Established"); status != "True" {
			return "it is not established", nil
		}
	}
	return "", nil
}

func rollout(o *unstructured.Unstructured, fields ...string) (string, error) {
	if !observed(o) {
		return "its controller has not seen it", nil
	}
	if status, reason := condition(o, "Progressing"); status == "False" {
		return "", fmt.Errorf("%w: %s", errFailed, reason)
	}
	want, found, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if !found {
		want = 1
	}
	for _, field := range fields {
		if have, _, _ := unstructured.NestedInt64(o.Object, "status", field); have != want {
			return fmt.Sprintf("%s %d of %d", field, have, want), nil
		}
	}
	return "", nil
}

func daemons(o *unstructured.Unstructured) (string, error) {
	if !observed(o) {
		return "its controller has not seen it", nil
	}
	want, _, _ := unstructured.NestedInt64(o.Object, "status", "desiredNumberScheduled")
	for _, field := range []string{"updatedNumberScheduled", "numberReady"} {
		if have, _, _ := unstructured.NestedInt64(o.Object, "status", field); have != want {
			return fmt.Sprintf("%s %d of %d", field, have, want), nil
		}
	}
	return "", nil
}

func job(o *unstructured.Unstructured) (string, error) {
	if status, reason := condition(o, "Failed"); status == "True" {
		return "", fmt.Errorf("%w: %s", errFailed, reason)
	}
	if status, _ := condition(o, "Complete"); status != "True" {
		return "it has not completed", nil
	}
	return "", nil
}

func observed(o *unstructured.Unstructured) bool {
	seen, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	return seen >= o.GetGeneration()
}

// condition gives a condition's status, and why.
func condition(o *unstructured.Unstructured, kind string) (status, reason string) {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		fields, ok := c.(map[string]any)
		if !ok || fields["type"] != kind {
			continue
		}
		status, _ = fields["status"].(string)
		why, _ := fields["reason"].(string)
		message, _ := fields["message"].(string)
		return status, why + ": " + message
	}
	return "", ""
}
