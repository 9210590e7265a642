package workloads

import (
	"fmt"
	"maps"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/stack"
)

// account is the user and the group that processes run under: nobody's on any
// node, and above those that a node's own programs have (ks
// container-security-context-user-group-id).
const account = 65532

// pod is what the pods of services and of jobs have in common.
type pod struct {
	service     string
	annotations pulumi.StringMap
	token       bool // for Kubernetes' API
	size        stack.Service
	command     pulumi.StringArrayInput // in place of the image's own
	args        pulumi.StringArrayInput
	variables   []setting
	files       files
	restart     string // the restart policy; empty: always
	grace       int    // seconds between SIGTERM and SIGKILL

	ports     corev1.ContainerPortArray
	startup   corev1.ProbePtrInput
	readiness corev1.ProbePtrInput
	liveness  corev1.ProbePtrInput
	spread    corev1.TopologySpreadConstraintArray
	affinity  corev1.AffinityPtrInput
	priority  string
}

// template makes the pods of a service as the restricted standard wants them,
// each with no rights but those that its fields name.
func (s *site) template(p pod, serviceAccount *corev1.ServiceAccount) *corev1.PodTemplateSpecArgs {
	id := s.identity(p.service)
	podLabels := labels(p.service)
	maps.Copy(podLabels, id.PodLabels)
	annotations := pulumi.StringMap{
		// The image is pinned by its digest, so that what a node has is what is meant. To ask the registry each time would
		// make the start of a pod depend on it.
		"kube-score/ignore": pulumi.String("container-image-pull-policy"),
	}
	maps.Copy(annotations, p.annotations)
	return &corev1.PodTemplateSpecArgs{
		Metadata: &metav1.ObjectMetaArgs{Labels: podLabels, Annotations: annotations},
		Spec: &corev1.PodSpecArgs{
			ServiceAccountName:            serviceAccount.Metadata.Name(),
			AutomountServiceAccountToken:  pulumi.Bool(p.token), // CKV_K8S_38: most pods never talk to Kubernetes
			EnableServiceLinks:            pulumi.Bool(false),   // variables that nobody has asked for
			TerminationGracePeriodSeconds: pulumi.Int(p.grace),
			RestartPolicy:                 optional(p.restart),
			PriorityClassName:             optional(p.priority),
			TopologySpreadConstraints:     p.spread,
			Affinity:                      p.affinity,
			SecurityContext: &corev1.PodSecurityContextArgs{
				RunAsNonRoot:   pulumi.Bool(true), // CKV_K8S_23, KSV012
				RunAsUser:      pulumi.Int(account),
				RunAsGroup:     pulumi.Int(account),
				FsGroup:        pulumi.Int(account), // reads the mounted secrets
				SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
			},
			Volumes:    p.files.volumes,
			Containers: corev1.ContainerArray{s.container(p)},
		},
	}
}

func (s *site) container(p pod) *corev1.ContainerArgs {
	variables := make(corev1.EnvVarArray, 0, len(p.variables)+len(p.files.variables))
	for _, list := range [][]setting{p.variables, p.files.variables} {
		for _, v := range list {
			variables = append(variables, &corev1.EnvVarArgs{Name: pulumi.String(v.name), Value: v.value})
		}
	}
	size := pulumi.StringMap{
		"cpu":    pulumi.String(p.size.CPU),
		"memory": pulumi.String(p.size.Memory),
		// Nothing but logs is written, and these are rotated.
		"ephemeral-storage": pulumi.String("128Mi"),
	}
	return &corev1.ContainerArgs{
		Name:            pulumi.String(p.service),
		Image:           s.image(p.service),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Command:         p.command,
		Args:            p.args,
		Env:             variables,
		Ports:           p.ports,
		// What a pod gets is what it may take: its capacity, which the autoscaler learns, is the same on a busy node as on an idle
		// one, and the node never takes memory back by killing it.
		Resources:      &corev1.ResourceRequirementsArgs{Requests: size, Limits: size},
		VolumeMounts:   p.files.mounts,
		StartupProbe:   p.startup,
		ReadinessProbe: p.readiness,
		LivenessProbe:  p.liveness,
		SecurityContext: &corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false), // CKV_K8S_20, KSV001
			Privileged:               pulumi.Bool(false),
			ReadOnlyRootFilesystem:   pulumi.Bool(true), // CKV_K8S_22, KSV014
			RunAsNonRoot:             pulumi.Bool(true),
			RunAsUser:                pulumi.Int(account),
			RunAsGroup:               pulumi.Int(account),
			Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.StringArray{pulumi.String("ALL")}}, // CKV_K8S_37, KSV003
		},
	}
}

func optional(text string) pulumi.StringPtrInput {
	if text == "" {
		return nil
	}
	return pulumi.String(text)
}

// probe is a question to the admin listener.
type probe struct {
	path     string
	period   int // seconds from one question to the next
	timeout  int // seconds
	failures int // in a row, until it counts as failed
}

func (p probe) at(scheme string, port int) *corev1.ProbeArgs {
	return &corev1.ProbeArgs{
		HttpGet:          &corev1.HTTPGetActionArgs{Path: pulumi.String(p.path), Port: pulumi.Int(port), Scheme: pulumi.String(scheme)},
		PeriodSeconds:    pulumi.Int(p.period),
		TimeoutSeconds:   pulumi.Int(p.timeout),
		FailureThreshold: pulumi.Int(p.failures),
	}
}

// The probes ask three things: whether a process has started, which may take two
// minutes; whether it wants requests, where its no is heard within four seconds;
// and whether it answers at all. A dependency that is down makes none of them
// fail.
var (
	hasStarted   = probe{path: "/health", period: 1, timeout: 2, failures: 120}
	wantsTraffic = probe{path: "/ready", period: 2, timeout: 2, failures: 2}
	answers      = probe{path: "/health", period: 10, timeout: 5, failures: 3}
)

// discovery tells a collector where a pod's metrics are.
func discovery(scheme string) pulumi.StringMap {
	return pulumi.StringMap{
		"prometheus.io/scrape": pulumi.String("true"),
		"prometheus.io/scheme": pulumi.String(scheme),
		"prometheus.io/port":   pulumi.String(strconv.Itoa(adminPort)),
		"prometheus.io/path":   pulumi.String("/metrics"),
	}
}

// spread puts the pods of each version of a service evenly over zones and hosts.
// Where there are zones to spare, a pod rather waits for a node than makes one
// zone carry too much.
func (s *site) spread(service string) corev1.TopologySpreadConstraintArray {
	zones := "ScheduleAnyway"
	if s.on.Zones >= 3 {
		zones = "DoNotSchedule"
	}
	constraint := func(key, unsatisfied string) *corev1.TopologySpreadConstraintArgs {
		return &corev1.TopologySpreadConstraintArgs{
			MaxSkew:           pulumi.Int(1),
			TopologyKey:       pulumi.String(key),
			WhenUnsatisfiable: pulumi.String(unsatisfied),
			LabelSelector:     &metav1.LabelSelectorArgs{MatchLabels: selector(service)},
			MatchLabelKeys:    pulumi.StringArray{pulumi.String("pod-template-hash")},
			// A zone without nodes that could take a pod does not count.
			NodeTaintsPolicy: pulumi.String("Honor"),
		}
	}
	return corev1.TopologySpreadConstraintArray{
		constraint("topology.kubernetes.io/zone", zones),
		constraint("kubernetes.io/hostname", "ScheduleAnyway"),
	}
}

// apart keeps pods of a service from sharing a host while there is another one.
func apart(service string) corev1.AffinityPtrInput {
	return &corev1.AffinityArgs{PodAntiAffinity: &corev1.PodAntiAffinityArgs{
		PreferredDuringSchedulingIgnoredDuringExecution: corev1.WeightedPodAffinityTermArray{&corev1.WeightedPodAffinityTermArgs{
			Weight: pulumi.Int(100),
			PodAffinityTerm: &corev1.PodAffinityTermArgs{
				LabelSelector: &metav1.LabelSelectorArgs{MatchLabels: selector(service)},
				TopologyKey:   pulumi.String("kubernetes.io/hostname"),
			},
		}},
	}}
}

// newServiceAccount is who the pods of a service are, to the cluster and to the
// cloud.
func (s *site) newServiceAccount(ctx *pulumi.Context, service string, parent pulumi.Resource) (*corev1.ServiceAccount, error) {
	id := s.identity(service)
	meta := s.meta(service, id.ServiceAccount)
	meta.Annotations = id.Annotations
	made, err := corev1.NewServiceAccount(ctx, s.logical(service), &corev1.ServiceAccountArgs{
		Metadata:                     meta,
		AutomountServiceAccountToken: pulumi.Bool(false), // pods that need a token say so themselves
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("service account of %s: %w", service, err)
	}
	return made, nil
}
