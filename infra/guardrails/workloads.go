package guardrails

import (
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

const budgetType = "kubernetes:policy/v1:PodDisruptionBudget"

var workloadRules = []Rule{
	{
		Name:       "workloads-disruption-budget",
		Reason:     "emptying nodes for an upgrade could take all replicas at once",
		IDs:        []string{"kube-score deployment-has-poddisruptionbudget", "kube-score statefulset-has-poddisruptionbudget"},
		Fix:        "add a PodDisruptionBudget that selects the pods",
		Production: true,
		Check:      whole(budgeted),
	},
	{
		Name:       "workloads-three-replicas",
		Reason:     "with two, one is left while the other is being replaced",
		IDs:        []string{"kube-linter minimum-three-replicas", "CKV_K8S_158"},
		Fix:        "pulumi config set --path trivet:services.api.min 3",
		Production: true,
		Check:      each(servingTypes, atLeast("spec.replicas", 3)),
	},
	{
		Name:       "workloads-spread",
		Reason:     "replicas on one host or in one zone are lost together",
		IDs:        []string{"kube-score pod-topology-spread-constraints"},
		Fix:        "add topologySpreadConstraints for topology.kubernetes.io/zone and kubernetes.io/hostname",
		Production: true,
		Check:      each(servingTypes, spread),
	},
	{
		Name:       "workloads-apart",
		Reason:     "replicas on one host are lost together",
		IDs:        []string{"kube-score deployment-has-host-podantiaffinity", "kube-linter no-anti-affinity"},
		Fix:        "add a podAntiAffinity over kubernetes.io/hostname",
		Production: true,
		Check:      each(servingTypes, apart),
	},
}

// namespaceOf is that of an object, "" when it is not known yet.
func namespaceOf(r graph.Resource) string { return r.Input("metadata", "namespace").Text() }

// sameNamespace tells whether two objects are, or may be, in one namespace.
func sameNamespace(a, b graph.Resource) bool {
	one, other := namespaceOf(a), namespaceOf(b)
	return one == "" || other == "" || one == other
}

// selects tells whether a label selector takes the pods of a workload.
func selects(selector graph.Value, workload graph.Resource) bool {
	labels := podTemplate(workload).Field("metadata", "labels")
	for name, want := range selector.Field("matchLabels").Object() {
		value := graph.Of(want)
		if got := labels.Field(name); !value.Hidden() && !got.Is(want) {
			return false
		}
	}
	for _, expression := range selector.Field("matchExpressions").List() {
		if !expressed(expression, labels) {
			return false
		}
	}
	return true
}

func expressed(expression, labels graph.Value) bool {
	value := labels.Field(expression.Field("key").Text())
	switch expression.Field("operator").Text() {
	case "In":
		return value.Hidden() || wild(expression.Field("values"), value.Text())
	case "NotIn":
		return value.Hidden() || !wild(expression.Field("values"), value.Text())
	case "Exists":
		return value.Raw() != nil
	case "DoesNotExist":
		return value.Raw() == nil
	default:
		return false
	}
}

func budgeted(g graph.Graph) []Finding {
	var findings []Finding
	for _, workload := range g.Of(servingTypes...) {
		if !slices.ContainsFunc(g.Of(budgetType), func(budget graph.Resource) bool {
			selector := budget.Input("spec", "selector")
			return sameNamespace(budget, workload) && selector.Set() && selects(selector, workload)
		}) {
			findings = append(findings, Finding{workload.URN, "no PodDisruptionBudget selects its pods"})
		}
	}
	return findings
}

func spread(r graph.Resource) string {
	for _, over := range []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"} {
		if !slices.ContainsFunc(podSpec(r).Field("topologySpreadConstraints").List(), func(constraint graph.Value) bool {
			return constraint.Field("topologyKey").Is(over)
		}) {
			return "its pods are not spread over " + over
		}
	}
	return ""
}

func apart(r graph.Resource) string {
	affinity := podSpec(r).Field("affinity", "podAntiAffinity")
	for _, term := range affinity.Field("requiredDuringSchedulingIgnoredDuringExecution").List() {
		if term.Field("topologyKey").Is("kubernetes.io/hostname") {
			return ""
		}
	}
	for _, preference := range affinity.Field("preferredDuringSchedulingIgnoredDuringExecution").List() {
		if preference.Field("podAffinityTerm", "topologyKey").Is("kubernetes.io/hostname") {
			return ""
		}
	}
	return "nothing keeps its pods on different hosts"
}
