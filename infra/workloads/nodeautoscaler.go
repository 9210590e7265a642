package workloads

import (
	"fmt"
	"maps"
	"slices"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// nodeAutoscaler is Kubernetes' own Cluster Autoscaler, as the stack file calls
// it.
const nodeAutoscaler = "node-autoscaler"

// nodeAutoscalerPort is where it answers health checks and tells its metrics.
const nodeAutoscalerPort = 8085

// clusterRules are what it looks at to know whether a pod would fit on a node,
// and how it empties one.
var clusterRules = []rule{
	{groups: core, resources: "nodes", verbs: "get list watch update patch"}, // taints a node before it goes
	{groups: core, resources: "pods services replicationcontrollers persistentvolumeclaims persistentvolumes namespaces", verbs: "get list watch"},
	{groups: core, resources: "pods/eviction", verbs: "create"},
	{groups: core, resources: "pods/status", verbs: "update"},
	{groups: core, resources: "events", verbs: "create patch"},
	{groups: "apps", resources: "daemonsets replicasets statefulsets", verbs: "get list watch"},
	{groups: "batch", resources: "jobs cronjobs", verbs: "get list watch"},
	{groups: "policy", resources: "poddisruptionbudgets", verbs: "get list watch"},
	{groups: "storage.k8s.io", resources: "storageclasses csinodes csidrivers csistoragecapacities volumeattachments", verbs: "get list watch"},
	{groups: "resource.k8s.io", resources: "deviceclasses resourceclaims resourceslices", verbs: "get list watch"},
}

// leaderRules are how its replicas agree on who acts, and where it tells how it
// is.
var leaderRules = []rule{
	{groups: "coordination.k8s.io", resources: "leases", verbs: "create"},
	{groups: "coordination.k8s.io", resources: "leases", names: "cluster-autoscaler", verbs: "get update patch"},
	{groups: core, resources: "configmaps", verbs: "create"},
	{groups: core, resources: "configmaps", names: "cluster-autoscaler-status", verbs: "get update delete"},
	{groups: core, resources: "configmaps", verbs: "list watch"},
}

// NodeAutoscaler adds nodes when pods wait for one, and takes those away that
// nobody needs.
type NodeAutoscaler struct{ pulumi.ResourceState }

func newNodeAutoscaler(ctx *pulumi.Context, s *site, opts pulumi.ResourceOption) (*NodeAutoscaler, error) {
	n := &NodeAutoscaler{}
	if err := ctx.RegisterComponentResource("trivet:workloads:NodeAutoscaler", s.logical(nodeAutoscaler), n, opts); err != nil {
		return nil, fmt.Errorf("node autoscaler: %w", err)
	}
	serviceAccount, err := s.newServiceAccount(ctx, nodeAutoscaler, n)
	if err != nil {
		return nil, err
	}
	bound, err := s.newClusterRole(ctx, serviceAccount, n)
	if err != nil {
		return nil, err
	}
	led, err := s.newRole(ctx, nodeAutoscaler, leaderRules, serviceAccount, n)
	if err != nil {
		return nil, err
	}
	var f flows
	f.from(s.collectorPeers(), nodeAutoscalerPort)
	s.toAPIServer(&f)
	s.toCloud(&f, s.identity(nodeAutoscaler))
	policy, err := s.newPolicy(ctx, nodeAutoscaler, f, n)
	if err != nil {
		return nil, err
	}
	template := s.template(s.nodeAutoscalerPod(), serviceAccount)
	p := program{service: nodeAutoscaler, Service: s.args.Services[nodeAutoscaler], operates: true}
	if _, err := s.newDeployment(ctx, p, template, []pulumi.Resource{bound, led, policy}, n); err != nil {
		return nil, err
	}
	if err := s.newDisruptionBudget(ctx, nodeAutoscaler, n); err != nil {
		return nil, err
	}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{})
}

func (s *site) newClusterRole(ctx *pulumi.Context, as *corev1.ServiceAccount, parent pulumi.Resource) (pulumi.Resource, error) {
	// What belongs to the whole cluster has the namespace in its name, so that two stacks can share one.
	meta := &metav1.ObjectMetaArgs{Name: pulumi.Sprintf("%s-%s", s.namespace, nodeAutoscaler), Labels: labels(nodeAutoscaler)}
	role, err := rbacv1.NewClusterRole(ctx, s.logical(nodeAutoscaler), &rbacv1.ClusterRoleArgs{
		Metadata: meta, Rules: policyRules(clusterRules),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("node autoscaler's role: %w", err)
	}
	binding, err := rbacv1.NewClusterRoleBinding(ctx, s.logical(nodeAutoscaler), &rbacv1.ClusterRoleBindingArgs{
		Metadata: meta,
		RoleRef: &rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: role.Metadata.Name().Elem(),
		},
		Subjects: subjects(s, as),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("node autoscaler's role: %w", err)
	}
	return binding, nil
}

func (s *site) nodeAutoscalerPod() pod {
	return pod{
		service: nodeAutoscaler, token: true, size: s.args.Services[nodeAutoscaler],
		command: pulumi.StringArray{pulumi.String("./cluster-autoscaler")}, args: s.nodeAutoscalerFlags(), grace: 30,
		ports:     corev1.ContainerPortArray{containerPort("health", nodeAutoscalerPort)},
		startup:   probe{path: "/health-check", period: 2, timeout: 2, failures: 60}.at("HTTP", nodeAutoscalerPort),
		readiness: probe{path: "/metrics", period: 5, timeout: 5, failures: 2}.at("HTTP", nodeAutoscalerPort),
		liveness:  probe{path: "/health-check", period: 10, timeout: 10, failures: 6}.at("HTTP", nodeAutoscalerPort),
		spread:    s.spread(nodeAutoscaler), affinity: apart(nodeAutoscaler),
		// A cluster that is full is what it is there for.
		priority: "system-cluster-critical",
	}
}

// nodeAutoscalerFlags are what every cloud has in common, then the cloud's own.
func (s *site) nodeAutoscalerFlags() pulumi.StringArray {
	flags := pulumi.StringArray{
		pulumi.Sprintf("--namespace=%s", s.namespace),
		pulumi.String("--leader-elect=true"),
		pulumi.String("--leader-elect-resource-name=cluster-autoscaler"),
		pulumi.String("--balance-similar-node-groups=true"), // groups of zones grow alike
		pulumi.String("--expander=least-waste"),
		pulumi.String("--skip-nodes-with-local-storage=false"), // nothing of Trivet's is on a node
	}
	for _, name := range slices.Sorted(maps.Keys(s.on.Nodes.Args)) {
		flags = append(flags, pulumi.Sprintf("--%s=%s", name, s.on.Nodes.Args[name]))
	}
	return flags
}
