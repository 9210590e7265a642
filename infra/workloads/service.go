package workloads

import (
	"fmt"
	"strings"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/stack"
)

// Service is one of Trivet's services: its pods, who they are, whom they talk
// to, and how they are reached.
type Service struct {
	pulumi.ResourceState

	Deployment *appsv1.Deployment
}

// newService starts a service once prepared is there.
func newService(ctx *pulumi.Context, s *site, p program, prepared pulumi.Resource, opts pulumi.ResourceOption) (*Service, error) {
	v := &Service{}
	if err := ctx.RegisterComponentResource("trivet:workloads:Service", s.logical(p.service), v, opts); err != nil {
		return nil, err
	}
	serviceAccount, err := s.newServiceAccount(ctx, p.service, v)
	if err != nil {
		return nil, err
	}
	policy, err := s.newPolicy(ctx, p.service, s.flowsOf(p), v)
	if err != nil {
		return nil, err
	}
	pods, err := s.podOf(ctx, p, v)
	if err != nil {
		return nil, err
	}
	before := append([]pulumi.Resource{prepared, policy}, pods.files.made...)
	if p.operates {
		role, err := newAutoscalerRole(ctx, s, serviceAccount, v)
		if err != nil {
			return nil, err
		}
		before = append(before, role)
	}
	if v.Deployment, err = s.newDeployment(ctx, p, s.template(pods, serviceAccount), before, v); err != nil {
		return nil, err
	}
	if err := s.addAround(ctx, p, v); err != nil {
		return nil, err
	}
	return v, ctx.RegisterResourceOutputs(v, pulumi.Map{"deployment": v.Deployment.Metadata.Name()})
}

// addAround makes what keeps a service reachable, available and large enough.
func (s *site) addAround(ctx *pulumi.Context, p program, v *Service) error {
	if err := s.newDisruptionBudget(ctx, p.service, v); err != nil {
		return err
	}
	if p.scaled && s.args.Autoscaling == stack.AutoscalingHPA {
		if err := s.newHorizontalPodAutoscaler(ctx, p, v); err != nil {
			return err
		}
	}
	if p.serves {
		return s.newEntrances(ctx, p.service, v)
	}
	if p.operates {
		return s.newEntrance(ctx, p.service, entrance{name: p.service, port: dataPort, target: "orders"}, v)
	}
	return nil
}

// podOf describes the pods of a service, and makes the files that they read.
func (s *site) podOf(ctx *pulumi.Context, p program, parent pulumi.Resource) (pod, error) {
	variables, err := s.settingsOf(p)
	if err != nil {
		return pod{}, err
	}
	scheme := "HTTP"
	var f files
	if p.backends {
		scheme = "HTTPS"
		var others []string
		if p.serves {
			others = []string{s.on.Edge.APIHost}
		}
		certificate, err := s.authority.issue(ctx, s, p.service, others, parent)
		if err != nil {
			return pod{}, err
		}
		f.mountSecret("tls", tlsDir, certificate)
		f.mountRoots(s.roots)
	}
	if p.operates {
		if err := s.mountAuthority(ctx, p.service, &f, parent); err != nil {
			return pod{}, err
		}
	}
	if err := f.mountSecrets(ctx, s, p.service, s.secretsOf(p), parent); err != nil {
		return pod{}, err
	}
	ports := corev1.ContainerPortArray{containerPort("admin", adminPort)}
	switch {
	case p.serves:
		ports = append(ports, containerPort("https", dataPort))
	case p.operates:
		ports = append(ports, containerPort("orders", dataPort))
	}
	return pod{
		service: p.service, annotations: discovery(strings.ToLower(scheme)), token: p.operates, size: p.Service,
		variables: variables, files: f, grace: int(gracePeriod.Seconds()), ports: ports,
		startup: hasStarted.at(scheme, adminPort), readiness: wantsTraffic.at(scheme, adminPort), liveness: answers.at(scheme, adminPort),
		spread: s.spread(p.service), affinity: apart(p.service),
	}, nil
}

func containerPort(name string, port int) *corev1.ContainerPortArgs {
	return &corev1.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(port), Protocol: pulumi.String("TCP")}
}

// newDeployment keeps the pods running. A rollout never has fewer of them than
// there should be: each new one has to be ready, and to stay so, before an old
// one stops, which it does by itself: it drains, so that no hook is needed.
func (s *site) newDeployment(ctx *pulumi.Context, p program, template *corev1.PodTemplateSpecArgs, before []pulumi.Resource, parent pulumi.Resource) (*appsv1.Deployment, error) {
	meta := s.meta(p.service, object(p.service))
	options := []pulumi.ResourceOption{pulumi.Parent(parent), pulumi.DependsOn(before)}
	if p.scaled && s.args.Autoscaling != stack.AutoscalingNone {
		// The size is where a service begins. From then on it is the autoscaler's, and a deployment must not take it back.
		options = append(options, pulumi.IgnoreChanges([]string{"spec.replicas"}))
	}
	if p.scaled && s.args.Autoscaling == stack.AutoscalingHPA {
		meta.Annotations = pulumi.StringMap{"kube-score/ignore": pulumi.String("deployment-targeted-by-hpa-does-not-have-replicas-configured")}
	}
	made, err := appsv1.NewDeployment(ctx, s.logical(p.service), &appsv1.DeploymentArgs{
		Metadata: meta,
		Spec: &appsv1.DeploymentSpecArgs{
			Replicas:                pulumi.Int(p.Min),
			MinReadySeconds:         pulumi.Int(5),
			ProgressDeadlineSeconds: pulumi.Int(600),
			RevisionHistoryLimit:    pulumi.Int(5),
			Selector:                &metav1.LabelSelectorArgs{MatchLabels: selector(p.service)},
			Strategy: &appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{
					MaxUnavailable: pulumi.Int(0),
					MaxSurge:       pulumi.String("25%"),
				},
			},
			Template: template,
		},
	}, options...)
	if err != nil {
		return nil, fmt.Errorf("pods: %w", err)
	}
	return made, nil
}

// newDisruptionBudget lets nodes be emptied one pod at a time.
func (s *site) newDisruptionBudget(ctx *pulumi.Context, service string, parent pulumi.Resource) error {
	_, err := policyv1.NewPodDisruptionBudget(ctx, s.logical(service), &policyv1.PodDisruptionBudgetArgs{
		Metadata: s.meta(service, object(service)),
		Spec: &policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1),
			Selector:       &metav1.LabelSelectorArgs{MatchLabels: selector(service)},
			// A pod that does not work must not keep its node from being emptied.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, pulumi.Parent(parent))
	if err != nil {
		return fmt.Errorf("disruption budget: %w", err)
	}
	return nil
}

// cpuTarget is the share of its processors, in percent, that the cluster's
// autoscaler lets a pod use.
const cpuTarget = 70

// newHorizontalPodAutoscaler sizes a service by its load on processors, for
// those who want no autoscaler but the cluster's.
func (s *site) newHorizontalPodAutoscaler(ctx *pulumi.Context, p program, v *Service) error {
	_, err := autoscalingv2.NewHorizontalPodAutoscaler(ctx, s.logical(p.service), &autoscalingv2.HorizontalPodAutoscalerArgs{
		Metadata: s.meta(p.service, object(p.service)),
		Spec: &autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			MinReplicas: pulumi.Int(p.Min),
			MaxReplicas: pulumi.Int(p.Max),
			ScaleTargetRef: &autoscalingv2.CrossVersionObjectReferenceArgs{
				ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: v.Deployment.Metadata.Name().Elem(),
			},
			Metrics: autoscalingv2.MetricSpecArray{&autoscalingv2.MetricSpecArgs{
				Type: pulumi.String("Resource"),
				Resource: &autoscalingv2.ResourceMetricSourceArgs{
					Name:   pulumi.String("cpu"),
					Target: &autoscalingv2.MetricTargetArgs{Type: pulumi.String("Utilization"), AverageUtilization: pulumi.Int(cpuTarget)},
				},
			}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehaviorArgs{
				ScaleDown: &autoscalingv2.HPAScalingRulesArgs{StabilizationWindowSeconds: pulumi.Int(300)},
			},
		},
	}, pulumi.Parent(v))
	if err != nil {
		return fmt.Errorf("horizontal pod autoscaler: %w", err)
	}
	return nil
}

// entrance is a way in to the pods of a service.
type entrance struct {
	name     string
	port     int
	target   string // the name of the container's port
	nodePort int    // on every node; 0: within the cluster alone
}

// newEntrances are where the balancer sends requests: those of the API, and
// those of its console and documentation, which have a host of their own and
// are answered by the same pods.
func (s *site) newEntrances(ctx *pulumi.Context, service string, parent pulumi.Resource) error {
	api := entrance{name: service, port: 443, target: "https", nodePort: s.on.Edge.NodePort}
	if err := s.newEntrance(ctx, service, api, parent); err != nil {
		return err
	}
	static := entrance{name: "static", port: 443, target: "https", nodePort: s.on.Edge.StaticPort}
	if static.nodePort == 0 {
		return nil
	}
	return s.newEntrance(ctx, service, static, parent)
}

func (s *site) newEntrance(ctx *pulumi.Context, service string, e entrance, parent pulumi.Resource) error {
	port := &corev1.ServicePortArgs{
		Name: pulumi.String(e.target), Port: pulumi.Int(e.port), TargetPort: pulumi.String(e.target), Protocol: pulumi.String("TCP"),
	}
	kind := "ClusterIP"
	if e.nodePort > 0 {
		// Any node passes requests on to any pod, so that a node without one, or that is being emptied, drops none.
		kind, port.NodePort = "NodePort", pulumi.Int(e.nodePort)
	}
	_, err := corev1.NewService(ctx, s.logical(e.name), &corev1.ServiceArgs{
		Metadata: s.meta(service, object(e.name)),
		Spec: &corev1.ServiceSpecArgs{
			Type:     pulumi.String(kind),
			Selector: selector(service),
			Ports:    corev1.ServicePortArray{port},
		},
	}, pulumi.Parent(parent))
	if err != nil {
		return fmt.Errorf("entrance %s: %w", e.name, err)
	}
	return nil
}
