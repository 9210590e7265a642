package workloads

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// scaledWorkload is a Deployment as the autoscaler's TRIVET_AUTOSCALER_WORKLOADS
// describes it.
type scaledWorkload struct {
	Name           string `json:"name"`
	Kind           string `json:"kind"`
	Min            int    `json:"min"`
	Max            int    `json:"max"`
	MetricsPort    int    `json:"metrics_port"`
	Connections    int    `json:"connections,omitempty"`     // of one pod to the database
	MaxConnections int    `json:"max_connections,omitempty"` // that all pods together may have
}

// autoscalerSettings tell the autoscaler what to scale and within which bounds.
func (s *site) autoscalerSettings() ([]setting, error) {
	workloads := make([]scaledWorkload, 0, len(databaseUsers))
	for _, service := range databaseUsers {
		configured := s.args.Services[service]
		w := scaledWorkload{Name: object(service), Kind: service, Min: configured.Min, Max: configured.Max, MetricsPort: adminPort}
		if n := s.connections(); n > 0 {
			w.Connections, w.MaxConnections = n, n*most(configured)
		}
		workloads = append(workloads, w)
	}
	text, err := json.Marshal(workloads)
	if err != nil {
		return nil, fmt.Errorf("what the autoscaler scales: %w", err)
	}
	return []setting{
		{"TRIVET_AUTOSCALER_LISTEN", pulumi.Sprintf(":%d", dataPort)},
		{"TRIVET_AUTOSCALER_NAMESPACE", s.namespace},
		{"TRIVET_AUTOSCALER_WORKLOADS", pulumi.String(string(text))},
		{"TRIVET_AUTOSCALER_PODS_CA", pulumi.String(tlsDir + "/ca.crt")},
	}, nil
}

// mountAuthority lets a service check the certificates of pods. It gets nothing
// that it could pretend to be one with.
func (s *site) mountAuthority(ctx *pulumi.Context, service string, f *files, parent pulumi.Resource) error {
	config, err := corev1.NewConfigMap(ctx, s.logical(service+"-authority"), &corev1.ConfigMapArgs{
		Metadata: s.meta(service, object(service+"-authority")),
		Data:     pulumi.StringMap{"ca.crt": s.authority.Certificate},
	}, pulumi.Parent(parent))
	if err != nil {
		return fmt.Errorf("authority of the pods: %w", err)
	}
	f.mount("tls", tlsDir, &corev1.VolumeArgs{ConfigMap: &corev1.ConfigMapVolumeSourceArgs{
		Name: config.Metadata.Name(), DefaultMode: pulumi.Int(secretMode),
	}})
	f.made = append(f.made, config)
	return nil
}

// rule is a right to Kubernetes' API; lists have spaces between their elements.
type rule struct{ groups, resources, names, verbs string }

// core is the name of the API group that has none.
const core = "-"

// autoscalerRules are the least that the autoscaler needs, as
// services/autoscaler/deploy/role.yaml explains each of them.
var autoscalerRules = []rule{
	{groups: "apps", resources: "deployments", verbs: "list watch"},
	{groups: core, resources: "pods", verbs: "list watch"},
	{groups: "apps", resources: "deployments/scale", verbs: "get update"},
	{groups: "apps", resources: "deployments", verbs: "patch"},
	{groups: "coordination.k8s.io", resources: "leases", verbs: "create"},
	{groups: "coordination.k8s.io", resources: "leases", names: "trivet-autoscaler", verbs: "get update"},
	{groups: core, resources: "configmaps", verbs: "create"},
	{groups: core, resources: "configmaps", names: "trivet-autoscaler-state", verbs: "get update"},
	{groups: core, resources: "events", verbs: "create patch"},
}

func policyRules(rules []rule) rbacv1.PolicyRuleArray {
	words := func(list string) pulumi.StringArray {
		var all pulumi.StringArray
		for _, word := range strings.Fields(list) {
			if word == core {
				word = ""
			}
			all = append(all, pulumi.String(word))
		}
		return all
	}
	made := make(rbacv1.PolicyRuleArray, len(rules))
	for i, r := range rules {
		args := &rbacv1.PolicyRuleArgs{ApiGroups: words(r.groups), Resources: words(r.resources), Verbs: words(r.verbs)}
		if r.names != "" {
			args.ResourceNames = words(r.names)
		}
		made[i] = args
	}
	return made
}

// newAutoscalerRole gives the autoscaler its rights in the namespace, and gives
// what they are bound by.
func newAutoscalerRole(ctx *pulumi.Context, s *site, as *corev1.ServiceAccount, parent pulumi.Resource) (pulumi.Resource, error) {
	return s.newRole(ctx, "autoscaler", autoscalerRules, as, parent)
}

// newRole gives a service account rights in the namespace.
func (s *site) newRole(ctx *pulumi.Context, service string, rules []rule, as *corev1.ServiceAccount, parent pulumi.Resource) (pulumi.Resource, error) {
	role, err := rbacv1.NewRole(ctx, s.logical(service), &rbacv1.RoleArgs{
		Metadata: s.meta(service, object(service)), Rules: policyRules(rules),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("role of %s: %w", service, err)
	}
	binding, err := rbacv1.NewRoleBinding(ctx, s.logical(service), &rbacv1.RoleBindingArgs{
		Metadata: s.meta(service, object(service)),
		RoleRef: &rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("Role"), Name: role.Metadata.Name().Elem(),
		},
		Subjects: subjects(s, as),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("role of %s: %w", service, err)
	}
	return binding, nil
}

func subjects(s *site, as *corev1.ServiceAccount) rbacv1.SubjectArray {
	return rbacv1.SubjectArray{&rbacv1.SubjectArgs{
		Kind: pulumi.String("ServiceAccount"), Name: as.Metadata.Name().Elem(), Namespace: s.namespace,
	}}
}
