package workloads

import (
	"fmt"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

var bothWays = pulumi.StringArray{pulumi.String("Ingress"), pulumi.String("Egress")}

const anywhere = "0.0.0.0/0"

// flows are the packets that the pods of a service exchange with others.
type flows struct {
	in  networkingv1.NetworkPolicyIngressRuleArray
	out networkingv1.NetworkPolicyEgressRuleArray
}

func (f *flows) from(peers networkingv1.NetworkPolicyPeerArray, ports ...int) {
	if len(peers) > 0 {
		f.in = append(f.in, &networkingv1.NetworkPolicyIngressRuleArgs{From: peers, Ports: tcp(ports)})
	}
}

func (f *flows) to(peers networkingv1.NetworkPolicyPeerArray, ports ...int) {
	if len(peers) > 0 {
		f.out = append(f.out, &networkingv1.NetworkPolicyEgressRuleArgs{To: peers, Ports: tcp(ports)})
	}
}

func tcp(ports []int) networkingv1.NetworkPolicyPortArray {
	all := make(networkingv1.NetworkPolicyPortArray, len(ports))
	for i, port := range ports {
		all[i] = &networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(port)}
	}
	return all
}

func inNetworks(cidrs []string) networkingv1.NetworkPolicyPeerArray {
	peers := make(networkingv1.NetworkPolicyPeerArray, len(cidrs))
	for i, cidr := range cidrs {
		peers[i] = &networkingv1.NetworkPolicyPeerArgs{IpBlock: &networkingv1.IPBlockArgs{Cidr: pulumi.String(cidr)}}
	}
	return peers
}

func inNamespace(name string) networkingv1.NetworkPolicyPeerInput {
	return &networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: &metav1.LabelSelectorArgs{
		MatchLabels: pulumi.StringMap{"kubernetes.io/metadata.name": pulumi.String(name)},
	}}
}

func ofService(name string) networkingv1.NetworkPolicyPeerInput {
	return &networkingv1.NetworkPolicyPeerArgs{PodSelector: &metav1.LabelSelectorArgs{MatchLabels: selector(name)}}
}

// collectorPeers are the collector of logs, metrics and traces; nobody without
// one.
func (s *site) collectorPeers() networkingv1.NetworkPolicyPeerArray {
	if s.on.Signals.CollectorNamespace == "" {
		return nil
	}
	return networkingv1.NetworkPolicyPeerArray{inNamespace(s.on.Signals.CollectorNamespace)}
}

// Ports of OpenTelemetry's protocol: gRPC and HTTP.
const (
	otlpGRPC = 4317
	otlpHTTP = 4318
)

// flowsOf are the flows that a program needs, beside the DNS. Probes come from
// the pod's own node, which no policy keeps out.
func (s *site) flowsOf(p program) flows {
	var f flows
	if p.serves {
		f.from(inNetworks(s.on.Edge.SourceCIDRs), dataPort)
	}
	readers := s.collectorPeers()
	if p.scaled && s.runs("autoscaler") {
		readers = append(readers, ofService("autoscaler"))
	}
	f.from(readers, adminPort)
	if p.backends {
		s.toDatabase(&f)
		f.to(inNetworks(s.on.Cache.CIDRs), s.on.Cache.Port)
		if s.on.Broker != nil {
			f.to(inNetworks(s.on.Broker.CIDRs), s.on.Broker.Port)
		}
		f.to(s.collectorPeers(), otlpGRPC, otlpHTTP)
	}
	if p.operates {
		s.toAPIServer(&f)
		f.to(networkingv1.NetworkPolicyPeerArray{ofService("api"), ofService("consumer")}, adminPort)
	}
	s.toCloud(&f, s.identity(p.service))
	return f
}

func (s *site) toDatabase(f *flows) { f.to(inNetworks(s.on.Database.CIDRs), s.on.Database.Port) }

// toCloud allows what an identity needs to prove itself.
func (s *site) toCloud(f *flows, id platform.Identity) {
	for _, d := range id.Destinations {
		f.to(inNetworks([]string{d.CIDR}), d.Port)
	}
}

// toAPIServer allows Kubernetes' API. Where it answers is the cloud's to say;
// where it does not say so, only the ports can be held to.
func (s *site) toAPIServer(f *flows) {
	at := s.on.Cluster.APIServerCIDRs
	if len(at) == 0 {
		at = []string{anywhere}
	}
	f.to(inNetworks(at), 443, 6443)
}

// newPolicy allows the flows of a service's pods.
func (s *site) newPolicy(ctx *pulumi.Context, service string, f flows, parent pulumi.Resource) (*networkingv1.NetworkPolicy, error) {
	policy, err := networkingv1.NewNetworkPolicy(ctx, s.logical(service), &networkingv1.NetworkPolicyArgs{
		Metadata: s.meta(service, object(service)),
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{MatchLabels: selector(service)},
			PolicyTypes: bothWays,
			Ingress:     f.in,
			Egress:      f.out,
		},
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("flows of %s: %w", service, err)
	}
	return policy, nil
}
