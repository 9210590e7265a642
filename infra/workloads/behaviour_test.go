package workloads_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads"
	"github.com/trivetkv/trivet/infra/workloads/workloadstest"
	"github.com/trivetkv/trivet/pkg/config"
)

const (
	deployments  = "apps/v1:Deployment "
	jobs         = "batch/v1:Job "
	services     = "core/v1:Service "
	policies     = "networking.k8s.io/v1:NetworkPolicy "
	budgets      = "policy/v1:PodDisruptionBudget "
	roles        = "rbac.authorization.k8s.io/v1:Role "
	autoscalers  = "autoscaling/v2:HorizontalPodAutoscaler "
	production   = 3 // replicas at least
	certificates = 3
)

// prod are the resources of a production stack.
func prod(t *testing.T) ([]workloadstest.Resource, workloads.Args) {
	t.Helper()
	args := workloadstest.Args(platform.Prod, stack.AutoscalingTrivet)
	return run(t, workloadstest.Platform(false), args, false), args
}

// environment is what a container is started with. Files that it names are made,
// each with something in it, so that the services' own configuration can read it.
func environment(t *testing.T, container *corev1.Container, content map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	list := make([]string, 0, len(container.Env))
	for _, v := range container.Env {
		if strings.HasSuffix(v.Name, "_FILE") {
			text, ok := content[v.Name]
			if !ok {
				text = strings.Repeat("x", 48)
			}
			path := filepath.Join(dir, v.Name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			v.Value = path
		}
		list = append(list, v.Name+"="+v.Value)
	}
	return list
}

// TestTheServicesTakeTheirSettings gives each program's environment to the very
// code that reads it.
func TestTheServicesTakeTheirSettings(t *testing.T) {
	everywhere(t, func(t *testing.T, f form, resources []workloadstest.Resource) {
		login := `{"username":"u","password":"p"}`
		content := map[string]string{"TRIVET_BROKER_LOGIN_FILE": login, "TRIVET_DATABASE_ADMIN_FILE": login}
		var (
			api     config.API
			tls     config.TLS
			admin   config.Admin
			data    config.Backends
			process config.Process
			job     config.Process
			scaling config.Autoscaler
			roles   config.DatabaseRoles
		)
		read := map[string][]any{
			deployments + "trivet-api":        {&api, &tls, &admin, &data, &process},
			deployments + "trivet-consumer":   {&tls, &admin, &data, &process},
			deployments + "trivet-autoscaler": {&scaling, &admin, &process},
			jobs + "trivet-bootstrap":         {&data, &roles, &job},
			jobs + "trivet-migrate":           {&data, &roles, &job},
		}
		for name, template := range templates(t, resources) {
			into, ours := read[name]
			if !ours {
				continue
			}
			if err := config.Load(environment(t, &template.Spec.Containers[0], content), into...); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			grace := time.Duration(*template.Spec.TerminationGracePeriodSeconds) * time.Second
			if strings.HasPrefix(name, deployments) && grace < process.StopTimeout+10*time.Second {
				t.Errorf("%s: the kubelet waits %v for a stop that may take %v, and the closing of what is open", name, grace, process.StopTimeout)
			}
		}
		if api.DrainDelay < 5*time.Second || process.StopTimeout < api.DrainDelay+30*time.Second {
			t.Errorf("drains for %v of %v", api.DrainDelay, process.StopTimeout)
		}
		if f.args.Autoscaling == stack.AutoscalingTrivet && (len(scaling.Workloads) != 2 || scaling.Workloads[0].Name != "trivet-api") {
			t.Errorf("scaled are %+v", scaling.Workloads)
		}
	})
}

// TestNoSecretIsInTheEnvironment looks for what the engine keeps secret in what
// everybody may read of a pod.
func TestNoSecretIsInTheEnvironment(t *testing.T) {
	everywhere(t, func(t *testing.T, _ form, resources []workloadstest.Resource) {
		for name, template := range templates(t, resources) {
			for _, v := range template.Spec.Containers[0].Env {
				if v.ValueFrom != nil {
					t.Errorf("%s: %s comes from elsewhere", name, v.Name)
				}
			}
		}
		for _, r := range resources {
			text, err := json.Marshal(r.Inputs.Mappable())
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(r.Type, ":Deployment") && (r.Inputs.ContainsSecrets() || strings.Contains(string(text), "PRIVATE KEY")) {
				t.Errorf("%s holds a secret", r.Name)
			}
		}
	})
}

func TestServicesWaitForTheMigration(t *testing.T) {
	t.Parallel()
	resources, _ := prod(t)
	urns := make(map[string]workloadstest.Resource)
	for _, r := range resources {
		urns[r.Type+" "+r.Name] = r
	}
	bootstrap, migration := urns["kubernetes:batch/v1:Job trivet-bootstrap"], urns["kubernetes:batch/v1:Job trivet-migrate"]
	if !slices.Contains(migration.Dependencies, bootstrap.URN) {
		t.Error("the migration does not wait for its role")
	}
	for _, name := range []string{"api", "consumer", "autoscaler"} {
		if !slices.Contains(urns["kubernetes:apps/v1:Deployment trivet-"+name].Dependencies, migration.URN) {
			t.Errorf("%s does not wait for the migration", name)
		}
	}
}

func TestEachImageIsPreparedForByJobsOfItsOwn(t *testing.T) {
	t.Parallel()
	names := func(image string) (both []string) {
		args := workloadstest.Args(platform.Prod, stack.AutoscalingTrivet)
		api := args.Services["api"]
		api.Image = image
		args.Services["api"] = api
		all := objects(t, run(t, workloadstest.Platform(false), args, false))
		for _, name := range []string{"bootstrap", "migrate"} {
			job := get[*batchv1.Job](t, all, jobs+"trivet-"+name)
			if got := job.Spec.Template.Spec.Containers[0]; got.Image != "registry.test/trivet/api@"+image || !slices.Equal(got.Args, []string{name}) {
				t.Errorf("%s runs %s %q", name, got.Image, got.Args)
			}
			both = append(both, job.Name)
		}
		return both
	}
	first, again := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	if a, b := names(first), names(first); !slices.Equal(a, b) {
		t.Errorf("the same image has the jobs %v and %v", a, b)
	}
	if a, b := names(first), names(again); a[0] == b[0] || a[1] == b[1] {
		t.Errorf("two images have the jobs %v and %v", a, b)
	}
}

// TestARolesPasswordMadeAnewIsSet looks for what makes the engine replace the
// job: its pods differ when a password does.
func TestARolesPasswordMadeAnewIsSet(t *testing.T) {
	t.Parallel()
	sum := func(on *platform.Platform) string {
		all := objects(t, run(t, on, workloadstest.Args(platform.Dev, stack.AutoscalingNone), false))
		return get[*batchv1.Job](t, all, jobs+"trivet-bootstrap").Spec.Template.Annotations["trivet.dev/roles"]
	}
	if a, b := sum(passwords(false)), sum(passwords(false)); a == b || a == "" {
		t.Errorf("two sets of passwords have the sums %q and %q", a, b)
	}
	if got := sum(workloadstest.Platform(false)); got != "" {
		t.Errorf("roles without passwords have the sum %q", got)
	}
}

func TestARolloutNeverHasTooFewPods(t *testing.T) {
	t.Parallel()
	resources, args := prod(t)
	all := objects(t, resources)
	for _, name := range []string{"api", "consumer", "autoscaler", "node-autoscaler"} {
		d := get[*appsv1.Deployment](t, all, deployments+"trivet-"+name)
		if u := d.Spec.Strategy.RollingUpdate; u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.String() != "25%" || d.Spec.MinReadySeconds < 1 {
			t.Errorf("%s: %+v", name, d.Spec.Strategy)
		}
		if int(*d.Spec.Replicas) != args.Services[name].Min {
			t.Errorf("%s begins with %d pods", name, *d.Spec.Replicas)
		}
		budget := get[*policyv1.PodDisruptionBudget](t, all, budgets+"trivet-"+name)
		if budget.Spec.MaxUnavailable.IntValue() != 1 || budget.Spec.Selector.String() != d.Spec.Selector.String() {
			t.Errorf("%s: %+v", name, budget.Spec)
		}
		c := d.Spec.Template.Spec.Containers[0]
		for which, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			if probe == nil || probe.HTTPGet == nil {
				t.Errorf("%s has no %s probe", name, which)
			}
		}
		if c.ReadinessProbe.String() == c.LivenessProbe.String() || c.StartupProbe.String() == c.LivenessProbe.String() {
			t.Errorf("%s asks the same question twice", name)
		}
	}
	for _, name := range []string{"api", "consumer"} {
		if d := get[*appsv1.Deployment](t, all, deployments+"trivet-"+name); *d.Spec.Replicas < production {
			t.Errorf("%s has %d pods in production", name, *d.Spec.Replicas)
		}
	}
}

func TestPodsAreSpreadOverZonesAndHosts(t *testing.T) {
	t.Parallel()
	for zones, want := range map[int]corev1.UnsatisfiableConstraintAction{3: corev1.DoNotSchedule, 2: corev1.ScheduleAnyway, 1: corev1.ScheduleAnyway} {
		on := workloadstest.Platform(false)
		on.Zones = zones
		all := objects(t, run(t, on, workloadstest.Args(platform.Prod, stack.AutoscalingTrivet), false))
		pods := get[*appsv1.Deployment](t, all, deployments+"trivet-api").Spec.Template.Spec
		if len(pods.TopologySpreadConstraints) != 2 || pods.TopologySpreadConstraints[0].TopologyKey != corev1.LabelTopologyZone ||
			pods.TopologySpreadConstraints[0].WhenUnsatisfiable != want || pods.TopologySpreadConstraints[1].TopologyKey != corev1.LabelHostname {
			t.Errorf("%d zones: %+v", zones, pods.TopologySpreadConstraints)
		}
		if len(pods.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution) != 1 {
			t.Error("pods of the api share hosts")
		}
	}
}

func TestWhoSetsTheSizesIsNotOverruled(t *testing.T) {
	t.Parallel()
	for autoscaling, ignored := range map[stack.Autoscaling]bool{stack.AutoscalingTrivet: true, stack.AutoscalingHPA: true, stack.AutoscalingNone: false} {
		args := workloadstest.Args(platform.Prod, autoscaling)
		resources := run(t, workloadstest.Platform(false), args, false)
		all := objects(t, resources)
		for _, r := range resources {
			scaled := r.Name == "trivet-api" || r.Name == "trivet-consumer"
			if r.Type == "kubernetes:apps/v1:Deployment" && slices.Contains(r.IgnoreChanges, "spec.replicas") != (scaled && ignored) {
				t.Errorf("%s: %s ignores %v", autoscaling, r.Name, r.IgnoreChanges)
			}
		}
		_, deployed := all[deployments+"trivet-autoscaler"]
		_, hpa := all[autoscalers+"trivet-api"]
		if deployed != (autoscaling == stack.AutoscalingTrivet) || hpa != (autoscaling == stack.AutoscalingHPA) {
			t.Errorf("%s: autoscaler %v, hpa %v", autoscaling, deployed, hpa)
		}
		if !hpa {
			continue
		}
		if h := get[*autoscalingv2.HorizontalPodAutoscaler](t, all, autoscalers+"trivet-api"); int(h.Spec.MaxReplicas) != args.Services["api"].Max || *h.Spec.MinReplicas < production {
			t.Errorf("%+v", h.Spec)
		}
	}
}

// TestTheAutoscalerHasTheRightsOfItsRole compares with the role that the service
// itself comes with, where each right is explained.
func TestTheAutoscalerHasTheRightsOfItsRole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../services/autoscaler/deploy/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want rbacv1.Role
	if err := yaml.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	resources, _ := prod(t)
	all := objects(t, resources)
	if got := get[*rbacv1.Role](t, all, roles+"trivet-autoscaler"); fmt.Sprint(got.Rules) != fmt.Sprint(want.Rules) {
		t.Errorf("got  %v\nwant %v", got.Rules, want.Rules)
	}
	for name, template := range templates(t, resources) {
		operates := strings.HasSuffix(name, "autoscaler")
		if *template.Spec.AutomountServiceAccountToken != operates {
			t.Errorf("%s has a token for Kubernetes' API: %v", name, !operates)
		}
	}
	for name, object := range all {
		if role, ok := object.(*rbacv1.ClusterRole); ok && strings.Contains(fmt.Sprint(role.Rules), "*") {
			t.Errorf("%s may do anything", name)
		}
	}
}

func TestTheBalancerReachesPodsOnFixedPorts(t *testing.T) {
	t.Parallel()
	resources, _ := prod(t)
	all := objects(t, resources)
	for name, port := range map[string]int32{"trivet-api": 30443, "trivet-static": 30444} {
		s := get[*corev1.Service](t, all, services+name)
		if s.Spec.Type != corev1.ServiceTypeNodePort || s.Spec.Ports[0].NodePort != port || s.Spec.Ports[0].TargetPort.StrVal != "https" {
			t.Errorf("%s: %+v", name, s.Spec)
		}
	}
	args := workloadstest.Args(platform.Dev, stack.AutoscalingNone)
	all = objects(t, run(t, passwords(false), args, false))
	if s := get[*corev1.Service](t, all, services+"trivet-api"); s.Spec.Type != corev1.ServiceTypeClusterIP {
		t.Errorf("%+v", s.Spec)
	}
	i := get[*networkingv1.Ingress](t, all, "networking.k8s.io/v1:Ingress trivet-ingress")
	if len(i.Spec.Rules) != 2 || i.Spec.Rules[0].Host != "api.trivet.test" || *i.Spec.IngressClassName != "nginx" {
		t.Errorf("%+v", i.Spec)
	}
}

// TestVaultSecretsAreMountedByTheDriver reads the classes as the driver would.
func TestVaultSecretsAreMountedByTheDriver(t *testing.T) {
	t.Parallel()
	resources, _ := prod(t)
	found := make(map[string]string)
	for _, r := range resources {
		if r.Type != "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass" {
			continue
		}
		text, err := r.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		var class struct {
			Metadata struct{ Name string }
			Spec     struct {
				Provider   string
				Parameters map[string]string
			}
		}
		if err := json.Unmarshal(text, &class); err != nil {
			t.Fatal(err)
		}
		if class.Spec.Provider != "aws" || class.Spec.Parameters["usePodIdentity"] != "true" {
			t.Errorf("%+v", class)
		}
		found[class.Metadata.Name] = class.Spec.Parameters["objects"]
	}
	data := `[{"objectName":"arn:cloud:secret:cache","objectType":"secretsmanager","objectAlias":"cache-password.json","jmesPath":[{"path":"password","objectAlias":"cache-password"}]},` +
		`{"objectName":"arn:cloud:secret:broker","objectType":"secretsmanager","objectAlias":"broker-login"}]`
	for name, want := range map[string]string{
		"trivet-api": data, "trivet-consumer": data,
		"trivet-bootstrap": `[{"objectName":"arn:cloud:secret:admin","objectType":"secretsmanager","objectAlias":"database-admin"}]`,
	} {
		if found[name] != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, found[name], want)
		}
	}
	if len(found) != certificates {
		t.Errorf("%d classes: %v", len(found), found)
	}
}

func TestAnUnknownVaultIsRefused(t *testing.T) {
	t.Parallel()
	on := workloadstest.Platform(false)
	on.Cache.Password.Vault.Provider = "post-it"
	_, err := workloadstest.Run(workloadstest.Program(on, workloadstest.Args(platform.Prod, stack.AutoscalingNone)), false)
	if err == nil || !strings.Contains(err.Error(), `provider "post-it" is not known`) {
		t.Errorf("got %v", err)
	}
}

// TestTheQuotaHoldsTheLargestRollout adds up what all pods ask for at their most.
func TestTheQuotaHoldsTheLargestRollout(t *testing.T) {
	everywhere(t, func(t *testing.T, f form, resources []workloadstest.Resource) {
		all := objects(t, resources)
		quota := get[*corev1.ResourceQuota](t, all, "core/v1:ResourceQuota trivet-quota").Spec.Hard
		for name, object := range all {
			d, ok := object.(*appsv1.Deployment)
			if !ok {
				continue
			}
			configured := f.args.Services[strings.TrimPrefix(name, deployments+"trivet-")]
			pods := configured.Max + (configured.Max+3)/4
			for range pods {
				for resource, asked := range d.Spec.Template.Spec.Containers[0].Resources.Limits {
					left, counted := quota["limits."+resource]
					if !counted {
						continue
					}
					left.Sub(asked)
					quota["limits."+resource] = left
				}
			}
		}
		for resource, left := range quota {
			if left.Sign() < 0 {
				t.Errorf("%s is short of %s", resource, left.String())
			}
		}
	})
}

func TestConnectionsOfAllPodsFitTheDatabase(t *testing.T) {
	t.Parallel()
	resources, args := prod(t)
	for _, name := range []string{"api", "consumer"} {
		var n int
		for _, v := range templates(t, resources)[deployments+"trivet-"+name].Spec.Containers[0].Env {
			if v.Name == "TRIVET_DATABASE_CONNECTIONS" {
				_, _ = fmt.Sscan(v.Value, &n)
			}
		}
		pods := 0
		for _, service := range []string{"api", "consumer"} {
			pods += args.Services[service].Max + (args.Services[service].Max+3)/4
		}
		if n < 4 || n*pods > 500 {
			t.Errorf("%s: %d connections for each of %d pods", name, n, pods)
		}
	}
}

// TestOnlyNeededPacketsPass lists the flows of production, so that another one
// has to be written down here.
func TestOnlyNeededPacketsPass(t *testing.T) {
	t.Parallel()
	resources, _ := prod(t)
	all := objects(t, resources)
	const watch, autoscaler = "watch", "trivet-autoscaler"
	for name, want := range map[string]string{
		"trivet-default-deny": "",
		"trivet-allow-dns":    "> kube-system 53 53",
		"trivet-api": "< 10.20.0.0/16 8080\n< " + watch + "," + autoscaler + " 9090\n" +
			"> 10.20.200.0/24 5432\n> 10.20.201.0/24 6379\n> 10.20.202.0/24 5671\n> watch 4317 4318\n> 169.254.170.23/32 80",
		"trivet-consumer": "< " + watch + "," + autoscaler + " 9090\n" +
			"> 10.20.200.0/24 5432\n> 10.20.201.0/24 6379\n> 10.20.202.0/24 5671\n> watch 4317 4318\n> 169.254.170.23/32 80",
		"trivet-autoscaler":      "< watch 9090\n> 10.20.128.0/20 443 6443\n> trivet-api,trivet-consumer 9090\n> 169.254.170.23/32 80",
		"trivet-migrate":         "> 10.20.200.0/24 5432\n> 169.254.170.23/32 80",
		"trivet-node-autoscaler": "< watch 8085\n> 10.20.128.0/20 443 6443\n> 169.254.170.23/32 80",
	} {
		if got := flows(get[*networkingv1.NetworkPolicy](t, all, policies+name)); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

// flows writes a policy as lines: < from, > to, and the ports.
func flows(p *networkingv1.NetworkPolicy) string {
	var lines []string
	line := func(way string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
		var names []string
		for _, peer := range peers {
			switch {
			case peer.IPBlock != nil:
				names = append(names, peer.IPBlock.CIDR)
			case peer.NamespaceSelector != nil:
				names = append(names, peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
			default:
				names = append(names, peer.PodSelector.MatchLabels["app.kubernetes.io/name"])
			}
		}
		text := way + " " + strings.Join(names, ",")
		for _, port := range ports {
			text += " " + port.Port.String()
		}
		lines = append(lines, text)
	}
	for _, rule := range p.Spec.Ingress {
		line("<", rule.From, rule.Ports)
	}
	for _, rule := range p.Spec.Egress {
		line(">", rule.To, rule.Ports)
	}
	return strings.Join(lines, "\n")
}
