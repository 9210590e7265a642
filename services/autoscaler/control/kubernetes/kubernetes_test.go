package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/trivetkv/trivet/services/autoscaler/control"
	"github.com/trivetkv/trivet/services/autoscaler/control/kubernetes"
	"github.com/trivetkv/trivet/services/autoscaler/policy"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

const (
	namespace = "trivet"
	workload  = "trivet-api"
)

// cluster is a fake API server with one Deployment, whose pods are all served
// by one HTTP server that tells metrics.
type cluster struct {
	t      *testing.T
	client *fake.Clientset
	port   int

	mu       sync.Mutex
	requests float64 // that each pod has answered
	rate     float64 // per second, of all pods
	cut      bool    // metrics do not answer
	scales   []int32
}

func newCluster(t *testing.T, replicas int32) *cluster {
	t.Helper()
	c := &cluster{t: t}
	server := httptest.NewServer(http.HandlerFunc(c.metrics))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if c.port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: workload},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}},
		Status:     appsv1.DeploymentStatus{Replicas: replicas, UpdatedReplicas: replicas},
	}
	objects := []runtime.Object{deployment}
	for i := range replicas {
		objects = append(objects, pod(i))
	}
	c.client = fake.NewClientset(objects...)
	c.client.PrependReactor("get", "deployments/scale", func(clienttesting.Action) (bool, runtime.Object, error) {
		d, err := c.deployment()
		if err != nil {
			return true, nil, err
		}
		return true, &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: workload}, Spec: autoscalingv1.ScaleSpec{Replicas: *d.Spec.Replicas},
		}, nil
	})
	c.client.PrependReactor("update", "deployments/scale", func(action clienttesting.Action) (bool, runtime.Object, error) {
		scale := action.(clienttesting.UpdateAction).GetObject().(*autoscalingv1.Scale) //nolint:forcetypeassert // the reactor's own kind
		c.setReplicas(scale.Spec.Replicas)
		c.mu.Lock()
		c.scales = append(c.scales, scale.Spec.Replicas)
		c.mu.Unlock()
		return true, scale, nil
	})
	return c
}

func (c *cluster) deployment() (*appsv1.Deployment, error) {
	object, err := c.client.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), namespace, workload)
	if err != nil {
		return nil, err
	}
	return object.(*appsv1.Deployment).DeepCopy(), nil //nolint:forcetypeassert // what the tracker keeps
}

func (c *cluster) update(change func(*appsv1.Deployment)) {
	d, err := c.deployment()
	if err != nil {
		c.t.Fatal(err)
	}
	change(d)
	if err := c.client.Tracker().Update(appsv1.SchemeGroupVersion.WithResource("deployments"), d, namespace); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) setReplicas(n int32) { c.update(func(d *appsv1.Deployment) { d.Spec.Replicas = &n }) }

func pod(i int32) *corev1.Pod {
	created := time.Now().Add(-time.Hour)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("api-%d", i), UID: types.UID(fmt.Sprint(i)),
			Labels: map[string]string{"app": "api"}, CreationTimestamp: metav1.NewTime(created),
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.0.0.1", Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(created.Add(5 * time.Second))},
		}},
	}
}

// metrics tells of two pods' worth: each scrape finds an interval's requests.
func (c *cluster) metrics(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		http.Error(w, "cut", http.StatusServiceUnavailable)
		return
	}
	c.requests += c.rate
	fmt.Fprintf(w, "# TYPE trivet_http_requests_total counter\ntrivet_http_requests_total{route=\"kv\",method=\"GET\",code=\"200\"} %f\n", c.requests)
}

func (c *cluster) scaled() []int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int32(nil), c.scales...)
}

// manager makes a manager that decides every 20 ms. Its clock says that a
// second has passed with each look.
func (c *cluster) manager(identity string) *kubernetes.Manager {
	c.t.Helper()
	var mu sync.Mutex
	now := time.Date(2024, 1, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
	m, err := kubernetes.New(kubernetes.Options{
		Client: c.client, Namespace: namespace, Identity: identity, Name: "trivet-autoscaler", Logger: slog.New(slog.DiscardHandler),
		Targets: []kubernetes.Target{{Namespace: namespace, Name: workload, MetricsPort: c.port}},
		Controller: func(_ kubernetes.Target, d control.Driver) (*control.Controller, error) {
			cfg := policy.Default()
			cfg.Interval = 20 * time.Millisecond
			return control.New(control.Options{
				Name: workload, Kind: control.KindAPI, API: cfg, Driver: d, Source: signal.NewSource(http.DefaultClient, clock, time.Second),
				Clock: clock, Location: time.UTC, Logger: slog.New(slog.DiscardHandler),
			})
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func start(t *testing.T, m *kubernetes.Manager) {
	t.Helper()
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, m) })
}

func stop(t *testing.T, m *kubernetes.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// eventually polls for something that has to come about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("did not come about: %s", what)
		case <-tick.C:
		}
	}
}

// latest is the last decision; ok is false before the first.
func latest(m *kubernetes.Manager) (control.Record, int) {
	records := m.Controllers()[0].Records()
	if len(records) == 0 {
		return control.Record{}, 0
	}
	return records[len(records)-1], len(records)
}

// decisions waits for some more decisions.
func decisions(t *testing.T, m *kubernetes.Manager, more int) control.Record {
	t.Helper()
	_, before := latest(m)
	eventually(t, "more decisions", func() bool { _, n := latest(m); return n >= before+more })
	r, _ := latest(m)
	return r
}

func TestADeploymentIsScaledByItsOfferedLoad(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.rate = 400
	m := c.manager("one")
	start(t, m)
	eventually(t, "a larger size", func() bool { return len(c.scaled()) > 0 })
	eventually(t, "an event", func() bool {
		events, err := c.client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return false
		}
		for i := range events.Items {
			if events.Items[i].Reason == "Scaled" && strings.Contains(events.Items[i].Message, "offered") {
				return true
			}
		}
		return false
	})
}

func TestMetricsThatAreCutOffHoldTheSize(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 8)
	c.cut = true
	m := c.manager("one")
	start(t, m)
	r := decisions(t, m, 100)
	if len(c.scaled()) != 0 || r.Decision.Reason != policy.ReasonBlind || r.Decision.Replicas != 8 {
		t.Errorf("scaled %v, %s", c.scaled(), r.Explanation)
	}
}

func TestAPausedDeploymentIsLeftAloneAndTheDecisionTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.rate = 400
	c.update(func(d *appsv1.Deployment) { d.Annotations = map[string]string{kubernetes.AnnotationPaused: "true"} })
	m := c.manager("one")
	start(t, m)
	eventually(t, "a decision that is not applied", func() bool { r, _ := latest(m); return r.Why == "paused" && r.Decision.Replicas > 2 })
	if len(c.scaled()) != 0 {
		t.Errorf("scaled %v while paused", c.scaled())
	}
	if err := kubernetes.Order(t.Context(), c.client, kubernetes.Target{Namespace: namespace, Name: workload}, map[string]*string{kubernetes.AnnotationPaused: nil}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "scaling after the pause", func() bool { return len(c.scaled()) > 0 })
}

func TestASizeThatSomebodySetIsKept(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.update(func(d *appsv1.Deployment) { d.Annotations = map[string]string{kubernetes.AnnotationFixed: "5"} })
	m := c.manager("one")
	start(t, m)
	eventually(t, "the size that was set", func() bool { s := c.scaled(); return len(s) == 1 && s[0] == 5 })
	if r := decisions(t, m, 20); len(c.scaled()) != 1 || !strings.Contains(r.Explanation, "somebody has set it to 5") {
		t.Errorf("scaled %v: %s", c.scaled(), r.Explanation)
	}
}

func TestOrdersThatCannotBeReadShrinkNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 6)
	c.update(func(d *appsv1.Deployment) {
		d.Annotations = map[string]string{kubernetes.AnnotationSchedule: `[{"days":["funday"]}]`, kubernetes.AnnotationFixed: "many"}
	})
	m := c.manager("one")
	start(t, m)
	if r := decisions(t, m, 100); len(c.scaled()) != 0 || r.Orders.Problem == "" {
		t.Errorf("scaled %v: %s", c.scaled(), r.Explanation)
	}
}

func TestAConflictIsNotOverwritten(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.rate = 400
	var once sync.Once
	// Somebody else sets the size between the look and the change.
	c.client.PrependReactor("get", "deployments/scale", func(clienttesting.Action) (bool, runtime.Object, error) {
		other := false
		once.Do(func() { other = true })
		if !other {
			return false, nil, nil
		}
		return true, &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 9}}, nil
	})
	m := c.manager("one")
	start(t, m)
	eventually(t, "a conflict", func() bool {
		for _, r := range m.Controllers()[0].Records() {
			if r.Why == control.ErrConflict.Error() && !r.Applied {
				return true
			}
		}
		return false
	})
	eventually(t, "the change after another look", func() bool { return len(c.scaled()) > 0 })
}

func TestAnotherReplicaTakesOverAndChangesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 8)
	c.rate = 60
	one, two := c.manager("one"), c.manager("two")
	start(t, one)
	eventually(t, "a first leader", one.Leading)
	start(t, two)
	decisions(t, one, 5)
	began, before := time.Now(), len(c.scaled())
	stop(t, one)
	eventually(t, "another leader", two.Leading)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the other took over after %v", took)
	}
	if _, n := latest(two); n > 0 && len(c.scaled()) != before {
		t.Errorf("the change of leaders scaled: %v", c.scaled())
	}
	stored, err := c.client.CoreV1().ConfigMaps(namespace).Get(t.Context(), "trivet-autoscaler-state", metav1.GetOptions{})
	if err != nil || len(stored.BinaryData[workload]) == 0 {
		t.Errorf("what was learned is not stored: %v", err)
	}
	if size := len(stored.BinaryData[workload]); size > 700<<10 {
		t.Errorf("the state has %d bytes; a ConfigMap holds a mebibyte", size)
	}
}

func TestWhatWasLearnedIsStoredBeforeTheLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	m := c.manager("one")
	start(t, m)
	eventually(t, "a leader", m.Leading)
	decisions(t, m, 5)
	stop(t, m)
	stored, released := -1, -1
	for i, action := range c.client.Actions() {
		switch {
		case action.Matches("create", "configmaps"):
			stored = i
		case action.Matches("update", "leases"):
			lease := action.(clienttesting.UpdateAction).GetObject().(*coordinationv1.Lease) //nolint:forcetypeassert // its own kind
			if holder := lease.Spec.HolderIdentity; holder == nil || *holder == "" {
				released = i
			}
		}
	}
	if stored < 0 || released < stored {
		t.Errorf("stored by action %d, and the Lease was given back by action %d", stored, released)
	}
}

func TestAnAPIServerThatIsAwayHoldsAndRecovers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	c.rate = 400
	var mu sync.Mutex
	away := true
	c.client.PrependReactor("*", "deployments/scale", func(clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			return true, nil, errors.New("connection refused")
		}
		return false, nil, nil
	})
	m := c.manager("one")
	start(t, m)
	eventually(t, "a change that failed", func() bool { r, _ := latest(m); return strings.Contains(r.Why, "connection refused") })
	if len(c.scaled()) != 0 {
		t.Errorf("scaled %v", c.scaled())
	}
	mu.Lock()
	away = false
	mu.Unlock()
	eventually(t, "the change once the server is back", func() bool { return len(c.scaled()) > 0 })
}

func TestStopBeforeStartAndTwice(t *testing.T) {
	t.Parallel()
	m := newCluster(t, 2).manager("one")
	stop(t, m)
	stop(t, m)
	if err := m.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if m.Leading() {
		t.Error("it leads after a stop")
	}
}
