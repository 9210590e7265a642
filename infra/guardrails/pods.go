package guardrails

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	deploymentType  = "kubernetes:apps/v1:Deployment"
	statefulSetType = "kubernetes:apps/v1:StatefulSet"
	daemonSetType   = "kubernetes:apps/v1:DaemonSet"
	jobType         = "kubernetes:batch/v1:Job"
	cronJobType     = "kubernetes:batch/v1:CronJob"
)

var (
	servingTypes = []string{deploymentType, statefulSetType}
	podTypes     = []string{deploymentType, statefulSetType, daemonSetType, jobType, cronJobType}
)

var podRules = []Rule{
	{
		Name:   "pods-restricted",
		Reason: "a process that breaks out of its container would be root on the node",
		IDs: []string{
			"KSV001", "KSV003", "KSV012", "KSV020", "KSV021", "KSV030", "KSV104", "KSV106",
			"CKV_K8S_20", "CKV_K8S_23", "CKV_K8S_31", "CKV_K8S_37", "CKV_K8S_40",
			"kube-linter run-as-non-root", "kube-linter privilege-escalation-container", "kube-linter drop-net-raw-capability",
		},
		Fix:   "set the fields that are named; kubectl label --dry-run=server --overwrite namespace trivet pod-security.kubernetes.io/enforce=restricted",
		Check: each(podTypes, restricted),
	},
	{
		Name:   "pods-read-only-root",
		Reason: "an intruder could change the program that runs",
		IDs:    []string{"KSV014", "CKV_K8S_22", "kube-linter no-read-only-root-fs"},
		Fix:    "set securityContext.readOnlyRootFilesystem of the container to true",
		Check:  each(podTypes, everyContainer(is("securityContext.readOnlyRootFilesystem", true))),
	},
	{
		Name:   "pods-resources",
		Reason: "a pod without limits starves its neighbours, one without requests is put where there is no room",
		IDs: []string{
			"KSV011", "KSV015", "KSV016", "KSV018", "CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13", "kube-score container-resources",
		},
		Fix: "pulumi config set --path trivet:services.api.memory 512Mi",
		Check: each(podTypes, everyContainer(given("resources.requests.cpu"), given("resources.requests.memory"),
			given("resources.limits.memory"), given("resources.limits.cpu"))),
	},
	{
		Name:   "pods-probes",
		Reason: "one probe for both restarts a pod that only had to be left alone for a moment",
		IDs:    []string{"CKV_K8S_8", "CKV_K8S_9", "kube-score pod-probes-identical"},
		Fix:    "ask /health for liveness and /ready for readiness",
		Check:  each(servingTypes, everyServingContainer(given("readinessProbe"), given("livenessProbe"), probesDiffer)),
	},
	{
		Name:   "pods-images-by-digest",
		Reason: "a tag that was moved runs other code than what was tested",
		IDs:    []string{"CKV_K8S_43", "CKV_K8S_14", "KSV013", "kube-linter latest-tag"},
		Fix:    "pulumi config set --path trivet:services.api.image sha256:…",
		Check:  each(podTypes, everyContainer(named("image", func(image string) bool { return strings.Contains(image, "@sha256:") }, "an image by its digest"))),
	},
	{
		Name:   "pods-own-account",
		Reason: "what is allowed to the default account is allowed to everything in the namespace",
		IDs:    []string{"KSV036", "CKV_K8S_41", "kube-linter default-service-account"},
		Fix:    "give the service a ServiceAccount and name it in serviceAccountName",
		Check: each(podTypes, func(r graph.Resource) string {
			return named("serviceAccountName", func(name string) bool { return name != "" && name != "default" }, "an account of its own")(
				graph.Resource{Inputs: podSpec(r).Object()})
		}),
	},
	{
		Name:   "pods-no-token",
		Reason: "a process that was taken over would speak to the API server as the service",
		IDs:    []string{"CKV_K8S_38", "AVD-KSV-0036"},
		Fix:    "set automountServiceAccountToken of the pod to false",
		Check:  whole(noTokens),
	},
	{
		Name:   "pods-no-secrets-in-environment",
		Reason: "the environment is inherited, printed in reports of crashes, and never changes",
		IDs:    []string{"CKV_K8S_35", "kube-linter read-secret-from-env-var", "kube-linter env-var-secret"},
		Fix:    "mount the secret as a file and give its path in NAME_FILE",
		Check:  each(podTypes, everyContainer(noSecretsInEnvironment)),
	},
}

// podTemplate is what pods are made from.
func podTemplate(r graph.Resource) graph.Value {
	if r.Type == cronJobType {
		return r.Input("spec", "jobTemplate", "spec", "template")
	}
	return r.Input("spec", "template")
}

func podSpec(r graph.Resource) graph.Value { return podTemplate(r).Field("spec") }

// everyContainer applies tests to every container of a pod, those that only
// prepare it too.
func everyContainer(tests ...Test) Test { return containers(tests, "initContainers", "containers") }

// everyServingContainer leaves out those that prepare.
func everyServingContainer(tests ...Test) Test { return containers(tests, "containers") }

func containers(tests []Test, lists ...string) Test {
	test := all(tests...)
	return func(r graph.Resource) string {
		for _, list := range lists {
			for _, container := range podSpec(r).Field(list).List() {
				if container.Hidden() {
					continue
				}
				if detail := test(graph.Resource{Inputs: container.Object()}); detail != "" {
					return fmt.Sprintf("container %s: %s", container.Field("name").Text(), detail)
				}
			}
		}
		return ""
	}
}

var evaluator = sync.OnceValues(func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks()) })

// restricted has Kubernetes' own evaluator judge the pod by the restricted
// standard.
func restricted(r graph.Resource) string {
	template := podTemplate(r)
	if template.Hidden() {
		return ""
	}
	text, err := json.Marshal(visible(template.Raw()))
	if err != nil {
		return err.Error()
	}
	var pod corev1.PodTemplateSpec
	if err := json.Unmarshal(text, &pod); err != nil {
		return err.Error()
	}
	evaluator, err := evaluator()
	if err != nil {
		return err.Error()
	}
	standard := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(standard, &pod.ObjectMeta, &pod.Spec))
	if result.Allowed {
		return ""
	}
	return result.ForbiddenDetail()
}

// visible leaves out of a value what is hidden, for which Kubernetes' types
// have no place.
func visible(value any) any {
	switch held := value.(type) {
	case graph.Unknown, graph.Secret:
		return nil
	case map[string]any:
		object := make(map[string]any, len(held))
		for name, member := range held {
			if kept := visible(member); kept != nil {
				object[name] = kept
			}
		}
		return object
	case []any:
		list := make([]any, 0, len(held))
		for _, element := range held {
			if kept := visible(element); kept != nil {
				list = append(list, kept)
			}
		}
		return list
	default:
		return value
	}
}

func probesDiffer(r graph.Resource) string {
	asked := func(probe string) string {
		return fmt.Sprint(r.Input(probe, "httpGet").Raw(), r.Input(probe, "tcpSocket").Raw(), r.Input(probe, "exec").Raw(), r.Input(probe, "grpc").Raw())
	}
	if asked("livenessProbe") == asked("readinessProbe") {
		return "liveness and readiness ask the same"
	}
	return ""
}

// noSecretsInEnvironment refuses secrets by reference, by value, and by name.
func noSecretsInEnvironment(r graph.Resource) string {
	for _, from := range r.Input("envFrom").List() {
		if from.Field("secretRef").Set() {
			return "envFrom reads a secret"
		}
	}
	for _, variable := range r.Input("env").List() {
		name := variable.Field("name").Text()
		if variable.Field("valueFrom", "secretKeyRef").Set() {
			return name + " reads a secret"
		}
		if _, secret := variable.Field("value").Raw().(graph.Secret); secret || soundsSecret(name) && variable.Field("value").Set() {
			return name + " is a secret"
		}
	}
	return ""
}

// soundsSecret tells whether a name is that of a secret's value, not that of
// the file where it is.
func soundsSecret(name string) bool {
	name = strings.ToUpper(name)
	if strings.HasSuffix(name, "_FILE") || strings.HasSuffix(name, "_PATH") || strings.HasSuffix(name, "_ARN") {
		return false
	}
	return slices.ContainsFunc([]string{"PASSWORD", "SECRET", "PRIVATE_KEY", "ACCESS_KEY", "TOKEN"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}

// noTokens lets only those pods have a token whose account is given rights.
func noTokens(g graph.Graph) []Finding {
	bound := map[string]bool{}
	for _, binding := range g.Of(bindingTypes...) {
		for _, subject := range binding.Input("subjects").List() {
			bound[subject.Field("name").Text()] = true
		}
	}
	var findings []Finding
	for _, r := range g.Of(podTypes...) {
		spec := podSpec(r)
		if mounts := spec.Field("automountServiceAccountToken"); !mounts.Is(false) && !bound[spec.Field("serviceAccountName").Text()] {
			findings = append(findings, Finding{r.URN, "it has a token of the API server that it has no use for"})
		}
	}
	return findings
}
