package guardrails

import (
	"fmt"
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	namespaceType     = "kubernetes:core/v1:Namespace"
	networkPolicyType = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	configMapType     = "kubernetes:core/v1:ConfigMap"
)

var (
	rbacTypes    = []string{"kubernetes:rbac.authorization.k8s.io/v1:Role", "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"}
	bindingTypes = []string{"kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"}
)

var namespaceRules = []Rule{
	{
		Name:   "namespaces-restricted",
		Reason: "nothing would stop a pod with more rights from being put beside the services",
		IDs:    []string{"EKS BPG security/pods"},
		Fix:    "kubectl label --overwrite namespace trivet pod-security.kubernetes.io/enforce=restricted",
		Check:  each([]string{namespaceType}, enforcesRestricted),
	},
	{
		Name:   "namespaces-default-deny",
		Reason: "a pod that was taken over could reach every other one",
		IDs:    []string{"CKV2_K8S_6", "KSV038", "kube-linter non-isolated-pod"},
		Fix:    "add a NetworkPolicy that selects all pods, for Ingress and Egress, and allows nothing",
		Check:  whole(defaultDeny),
	},
	{
		Name:   "namespaces-flows-named",
		Reason: "a service whose flows nobody named is cut off, or everything is allowed again",
		IDs:    []string{"kube-score pod-networkpolicy"},
		Fix:    "add a NetworkPolicy that selects the service's pods and names its flows",
		Check:  whole(flowsNamed),
	},
	{
		Name:   "namespaces-quota",
		Reason: "one wrong number of replicas could take the whole cluster",
		IDs:    []string{"KSV040"},
		Fix:    "add a ResourceQuota for the namespace",
		Check:  whole(inEachNamespace("kubernetes:core/v1:ResourceQuota", given("spec.hard"))),
	},
	{
		Name:   "namespaces-limit-range",
		Reason: "a container that does not say what it needs gets all there is",
		IDs:    []string{"KSV039"},
		Fix:    "add a LimitRange for the namespace",
		Check:  whole(inEachNamespace("kubernetes:core/v1:LimitRange", given("spec.limits"))),
	},
	{
		Name:   "configuration-without-secrets",
		Reason: "ConfigMaps are neither encrypted nor guarded as secrets are",
		IDs:    []string{"KSV109", "CKV_K8S_35"},
		Fix:    "move the value into the cloud's vault and mount it as a file",
		Check:  each([]string{configMapType}, noSecretsInConfiguration),
	},
	{
		Name:   "rbac-without-wildcards",
		Reason: "a wildcard allows what will only be invented next year",
		IDs:    []string{"CKV_K8S_49", "CKV2_K8S_5", "KSV045", "KSV046"},
		Fix:    "name the verbs, the groups and the resources",
		Check:  each(rbacTypes, noWildcards),
	},
}

func enforcesRestricted(r graph.Resource) string {
	const label = "pod-security.kubernetes.io/enforce"
	if got := r.Input("metadata", "labels", label); !got.Is("restricted") {
		return fmt.Sprintf("label %s is %s, want restricted", label, shown(got))
	}
	return ""
}

// within tells whether an object is in a namespace, or may be.
func within(object, namespace graph.Resource) bool {
	name := object.Input("metadata", "namespace")
	if !name.Set() {
		return false
	}
	own := namespace.Property("metadata", "name")
	return name.Hidden() || own.Hidden() || !own.Set() || name.Is(own.Raw()) || object.RefersTo(namespace, "metadata")
}

func inEachNamespace(kind string, tests ...Test) func(graph.Graph) []Finding {
	passes := all(tests...)
	return func(g graph.Graph) []Finding {
		var findings []Finding
		for _, namespace := range g.Of(namespaceType) {
			if !slices.ContainsFunc(g.Of(kind), func(r graph.Resource) bool { return within(r, namespace) && passes(r) == "" }) {
				findings = append(findings, Finding{namespace.URN, "it has no " + short(kind)})
			}
		}
		return findings
	}
}

// deniesAll tells whether a policy selects all pods and allows them nothing.
func deniesAll(r graph.Resource) bool {
	kinds := r.Input("spec", "policyTypes")
	return !r.Input("spec", "podSelector").Set() && !r.Input("spec", "ingress").Set() && !r.Input("spec", "egress").Set() &&
		has(kinds, "Ingress") && has(kinds, "Egress")
}

func defaultDeny(g graph.Graph) []Finding {
	var findings []Finding
	for _, namespace := range g.Of(namespaceType) {
		if !slices.ContainsFunc(g.Of(networkPolicyType), func(r graph.Resource) bool { return within(r, namespace) && deniesAll(r) }) {
			findings = append(findings, Finding{namespace.URN, "no NetworkPolicy denies what is not allowed"})
		}
	}
	return findings
}

func flowsNamed(g graph.Graph) []Finding {
	var findings []Finding
	for _, workload := range g.Of(servingTypes...) {
		if !slices.ContainsFunc(g.Of(networkPolicyType), func(r graph.Resource) bool {
			return sameNamespace(r, workload) && !deniesAll(r) && selects(r.Input("spec", "podSelector"), workload)
		}) {
			findings = append(findings, Finding{workload.URN, "no NetworkPolicy names its flows"})
		}
	}
	return findings
}

func noSecretsInConfiguration(r graph.Resource) string {
	if _, secret := r.Input("data").Raw().(graph.Secret); secret {
		return "its data are secret"
	}
	for name, value := range r.Input("data").Object() {
		if _, secret := value.(graph.Secret); secret || soundsSecret(name) {
			return name + " is a secret"
		}
	}
	return ""
}

func noWildcards(r graph.Resource) string {
	for _, rule := range r.Input("rules").List() {
		for _, list := range []string{"verbs", "resources", "apiGroups"} {
			if wild(rule.Field(list), "*") {
				return list + " is *"
			}
		}
	}
	return ""
}
