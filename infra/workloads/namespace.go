package workloads

import (
	"fmt"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/trivetkv/trivet/infra/stack"
)

// Namespace is where the services are, with bounds to what may be in it and
// with every packet forbidden that no other policy allows.
type Namespace struct {
	pulumi.ResourceState

	Name pulumi.StringOutput
}

func newNamespace(ctx *pulumi.Context, s *site, programs []program, opts pulumi.ResourceOption) (*Namespace, error) {
	n := &Namespace{}
	if err := ctx.RegisterComponentResource("trivet:workloads:Namespace", s.logical("namespace"), n, opts); err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	within := pulumi.Parent(n)
	made, err := corev1.NewNamespace(ctx, s.logical("namespace"), &corev1.NamespaceArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name: pulumi.String(s.on.Cluster.Namespace),
			Labels: pulumi.StringMap{
				labelPart: pulumi.String("trivet"),
				// Pods that could become root, reach the node or gain rights are refused (KSV, CKV_K8S: the restricted standard).
				"pod-security.kubernetes.io/enforce":         pulumi.String("restricted"),
				"pod-security.kubernetes.io/enforce-version": pulumi.String("latest"),
				"pod-security.kubernetes.io/audit":           pulumi.String("restricted"),
				"pod-security.kubernetes.io/warn":            pulumi.String("restricted"),
			},
		},
	}, within)
	if err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	n.Name = made.Metadata.Name().Elem()
	s.namespace = n.Name
	if err := n.bound(ctx, s, programs, within); err != nil {
		return nil, err
	}
	if err := n.isolate(ctx, s, within); err != nil {
		return nil, err
	}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"name": n.Name})
}

// bound keeps what is in the namespace from taking the whole cluster (KSV039,
// KSV040): a mistake costs no more than twice what the services take at most.
func (n *Namespace) bound(ctx *pulumi.Context, s *site, programs []program, within pulumi.ResourceOption) error {
	if _, err := corev1.NewResourceQuota(ctx, s.logical("quota"), &corev1.ResourceQuotaArgs{
		Metadata: s.meta("namespace", "trivet"),
		Spec:     &corev1.ResourceQuotaSpecArgs{Hard: s.quota(programs)},
	}, within); err != nil {
		return fmt.Errorf("quota of the namespace: %w", err)
	}
	if _, err := corev1.NewLimitRange(ctx, s.logical("limits"), &corev1.LimitRangeArgs{
		Metadata: s.meta("namespace", "trivet"),
		Spec: &corev1.LimitRangeSpecArgs{Limits: corev1.LimitRangeItemArray{&corev1.LimitRangeItemArgs{
			Type:           pulumi.String("Container"),
			Default:        pulumi.StringMap{"cpu": pulumi.String("500m"), "memory": pulumi.String("256Mi")},
			DefaultRequest: pulumi.StringMap{"cpu": pulumi.String("100m"), "memory": pulumi.String("128Mi")},
		}}},
	}, within); err != nil {
		return fmt.Errorf("limits in the namespace: %w", err)
	}
	return nil
}

// quota is what all services take at their largest, in the middle of a rollout,
// with the jobs and a debugging pod beside them.
func (s *site) quota(programs []program) pulumi.StringMap {
	var cpu, memory resource.Quantity
	pods := 0
	add := func(configured stack.Service, n int) {
		for range n {
			cpu.Add(resource.MustParse(configured.CPU))
			memory.Add(resource.MustParse(configured.Memory))
		}
		pods += n
	}
	for _, p := range programs {
		add(p.Service, most(p.Service))
	}
	if s.on.Nodes.Kind == "cluster-autoscaler" {
		add(s.args.Services[nodeAutoscaler], most(s.args.Services[nodeAutoscaler]))
	}
	add(s.jobSize(), 2)
	add(stack.Service{CPU: "500m", Memory: "512Mi"}, 1)
	return pulumi.StringMap{
		"requests.cpu":           pulumi.String(cpu.String()),
		"limits.cpu":             pulumi.String(cpu.String()),
		"requests.memory":        pulumi.String(memory.String()),
		"limits.memory":          pulumi.String(memory.String()),
		"pods":                   pulumi.String(strconv.Itoa(2 * pods)), // those that have ended count, too
		"persistentvolumeclaims": pulumi.String("0"),
		"services.loadbalancers": pulumi.String("0"),
	}
}

// isolate forbids all packets of all pods but questions to the cluster's DNS.
func (n *Namespace) isolate(ctx *pulumi.Context, s *site, within pulumi.ResourceOption) error {
	if _, err := networkingv1.NewNetworkPolicy(ctx, s.logical("default-deny"), &networkingv1.NetworkPolicyArgs{
		Metadata: s.meta("namespace", "default-deny"),
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{},
			PolicyTypes: bothWays,
		},
	}, within); err != nil {
		return fmt.Errorf("deny all traffic: %w", err)
	}
	dns := &networkingv1.NetworkPolicyEgressRuleArgs{
		To: networkingv1.NetworkPolicyPeerArray{inNamespace("kube-system")},
		Ports: networkingv1.NetworkPolicyPortArray{
			&networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("UDP"), Port: pulumi.Int(53)},
			&networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(53)},
		},
	}
	if _, err := networkingv1.NewNetworkPolicy(ctx, s.logical("allow-dns"), &networkingv1.NetworkPolicyArgs{
		Metadata: s.meta("namespace", "allow-dns"),
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{},
			PolicyTypes: pulumi.StringArray{pulumi.String("Egress")},
			Egress:      networkingv1.NetworkPolicyEgressRuleArray{dns},
		},
	}, within); err != nil {
		return fmt.Errorf("allow questions to the DNS: %w", err)
	}
	return nil
}
