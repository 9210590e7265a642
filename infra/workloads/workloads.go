package workloads

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// Args are what the stack file says about its services.
type Args struct {
	Project     string // begins the names of all resources in the state; empty: trivet
	Tier        platform.Tier
	Services    map[string]stack.Service
	Autoscaling stack.Autoscaling
}

// Workloads are Trivet's services on a cluster.
type Workloads struct {
	pulumi.ResourceState

	Namespace       pulumi.StringOutput
	Images          map[string]pulumi.StringOutput // with their digests, by service
	RootToken       pulumi.StringOutput            // secret; an administrator's, with which the first tokens are made
	AutoscalerToken pulumi.StringOutput            // secret; of those who give orders with "trivet scale"; the zero value without the autoscaler
	Authority       pulumi.StringOutput            // of the pods' certificates, PEM
}

// Deploy registers everything that runs on the cluster.
func Deploy(ctx *pulumi.Context, on *platform.Platform, args Args, opts ...pulumi.ResourceOption) (*Workloads, error) {
	if args.Project == "" {
		args.Project = "trivet"
	}
	s := &site{on: on, args: args}
	w := &Workloads{Images: make(map[string]pulumi.StringOutput)}
	if err := ctx.RegisterComponentResource("trivet:workloads:Workloads", s.logical("workloads"), w, opts...); err != nil {
		return nil, fmt.Errorf("workloads: %w", err)
	}
	cluster, err := kubernetes.NewProvider(ctx, s.logical("cluster-access"), &kubernetes.ProviderArgs{
		Kubeconfig:            on.Cluster.Kubeconfig,
		EnableServerSideApply: pulumi.Bool(true),
		// Another way to reach the same cluster must not replace what is on it.
		ClusterIdentifier: on.Cluster.Name,
	}, pulumi.Parent(w))
	if err != nil {
		return nil, fmt.Errorf("access to the cluster: %w", err)
	}
	within := pulumi.Composite(pulumi.Parent(w), pulumi.Providers(cluster))
	if err := w.deploy(ctx, s, within); err != nil {
		return nil, err
	}
	images := pulumi.StringMap{}
	for name, image := range w.Images {
		images[name] = image
	}
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{
		"namespace": w.Namespace,
		"images":    images,
		"authority": w.Authority,
	})
}

func (w *Workloads) deploy(ctx *pulumi.Context, s *site, within pulumi.ResourceOption) error {
	programs, err := s.programs()
	if err != nil {
		return err
	}
	namespace, err := newNamespace(ctx, s, programs, within)
	if err != nil {
		return err
	}
	s.namespace, w.Namespace = namespace.Name, namespace.Name
	if s.authority, err = newAuthority(ctx, s, within); err != nil {
		return err
	}
	w.Authority = s.authority.Certificate
	if s.roots, err = newRoots(ctx, s, within); err != nil {
		return err
	}
	if w.RootToken, err = token(ctx, s, "root-token", w); err != nil {
		return err
	}
	s.rootToken = w.RootToken
	if s.runs("autoscaler") {
		if w.AutoscalerToken, err = token(ctx, s, "autoscaler-token", w); err != nil {
			return err
		}
		s.autoscalerToken = w.AutoscalerToken
	}
	preparation, err := newPreparation(ctx, s, within)
	if err != nil {
		return err
	}
	for _, p := range programs {
		if _, err := newService(ctx, s, p, preparation.Migrated, within); err != nil {
			return fmt.Errorf("service %s: %w", p.service, err)
		}
		w.Images[p.service] = s.image(p.service)
	}
	if s.on.Edge.NodePort == 0 {
		if _, err := newIngress(ctx, s, within); err != nil {
			return err
		}
	}
	if s.on.Nodes.Kind != "cluster-autoscaler" {
		return nil
	}
	w.Images[nodeAutoscaler] = s.image(nodeAutoscaler)
	_, err = newNodeAutoscaler(ctx, s, within)
	return err
}

// token makes up a secret of letters and digits that nobody can guess.
func token(ctx *pulumi.Context, s *site, name string, parent pulumi.Resource) (pulumi.StringOutput, error) {
	made, err := random.NewRandomPassword(ctx, s.logical(name), &random.RandomPasswordArgs{
		Length:  pulumi.Int(48),
		Special: pulumi.Bool(false),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("%s: %w", name, err)
	}
	return pulumi.ToSecret(made.Result).(pulumi.StringOutput), nil
}

// errNoImage says that the stack file has no image of a service that it needs.
var errNoImage = errors.New("the stack file names no image")
