package workloads

import (
	"fmt"

	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Ingress is the way in where the cluster has a balancer of its own.
type Ingress struct{ pulumi.ResourceState }

func newIngress(ctx *pulumi.Context, s *site, opts pulumi.ResourceOption) (*Ingress, error) {
	i := &Ingress{}
	if err := ctx.RegisterComponentResource("trivet:workloads:Ingress", s.logical("ingress"), i, opts); err != nil {
		return nil, fmt.Errorf("ingress: %w", err)
	}
	meta := s.meta("api", object("api"))
	meta.Annotations = pulumi.ToStringMap(s.on.Edge.IngressAnnotations)
	var hosts pulumi.StringArray
	var rules networkingv1.IngressRuleArray
	for _, host := range []string{s.on.Edge.APIHost, s.on.Edge.ConsoleHost} {
		if host == "" {
			continue
		}
		hosts = append(hosts, pulumi.String(host))
		rules = append(rules, &networkingv1.IngressRuleArgs{
			Host: pulumi.String(host),
			Http: &networkingv1.HTTPIngressRuleValueArgs{Paths: networkingv1.HTTPIngressPathArray{&networkingv1.HTTPIngressPathArgs{
				Path: pulumi.String("/"), PathType: pulumi.String("Prefix"),
				Backend: &networkingv1.IngressBackendArgs{Service: &networkingv1.IngressServiceBackendArgs{
					Name: pulumi.String(object("api")), Port: &networkingv1.ServiceBackendPortArgs{Name: pulumi.String("https")},
				}},
			}}},
		})
	}
	if _, err := networkingv1.NewIngress(ctx, s.logical("ingress"), &networkingv1.IngressArgs{
		Metadata: meta,
		Spec: &networkingv1.IngressSpecArgs{
			IngressClassName: optional(s.on.Edge.IngressClass),
			Tls:              networkingv1.IngressTLSArray{&networkingv1.IngressTLSArgs{Hosts: hosts}},
			Rules:            rules,
		},
	}, pulumi.Parent(i)); err != nil {
		return nil, fmt.Errorf("ingress: %w", err)
	}
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{})
}
