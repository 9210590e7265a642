//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivetkv/trivet/infra/workloads/workloadstest"
)

// cluster is the one that KUBECONFIG names.
type cluster struct {
	kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func connect(t *testing.T) *cluster {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Fatal("KUBECONFIG names no cluster; test/kubernetes/up starts one on this machine")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = 50, 100
	c := &cluster{Interface: kubernetes.NewForConfigOrDie(cfg), dynamic: dynamic.NewForConfigOrDie(cfg)}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.Discovery()))
	return c
}

// within bounds a wait for the cluster, on a machine that has much else to do.
const within = 4 * time.Minute

// await asks until what is waited for is there.
func await(t *testing.T, what string, there func(ctx context.Context) (bool, error)) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
		ok, err := there(ctx)
		last = err
		return ok, nil // an API server that does not answer may do so the next time
	})
	if err != nil {
		t.Fatalf("%s: %v; last: %v", what, err, last)
	}
}

// apply brings the manifests to the cluster in the order in which the engine
// would, and waits for each job to end.
func (c *cluster) apply(t *testing.T, resources []workloadstest.Resource) {
	t.Helper()
	for _, r := range resources {
		text, err := r.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if text == nil {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		c.applyOne(t, object)
		if object.GetKind() == "Job" {
			c.awaitJob(t, object.GetNamespace(), object.GetName())
		}
	}
}

func (c *cluster) applyOne(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace()).
		Apply(t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: "pulumi-kubernetes", Force: true})
	if err != nil {
		t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func (c *cluster) awaitJob(t *testing.T, namespace, name string) {
	t.Helper()
	await(t, "job "+name, func(ctx context.Context) (bool, error) {
		job, err := c.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range job.Status.Conditions {
			if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
				c.tell(t, namespace)
				t.Fatalf("job %s: %s", name, condition.Message)
			}
		}
		return job.Status.Succeeded > 0, fmt.Errorf("%+v", job.Status)
	})
}

// awaitRollout waits until every pod is of the last version, ready, and as many
// as there should be.
func (c *cluster) awaitRollout(t *testing.T, namespace string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			c.tell(t, namespace)
		}
	}()
	await(t, "the rollout", func(ctx context.Context) (bool, error) {
		list, err := c.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for i := range list.Items {
			if d := &list.Items[i]; !rolledOut(d) {
				return false, fmt.Errorf("%s: %+v", d.Name, d.Status)
			}
		}
		return len(list.Items) > 0, nil
	})
}

func rolledOut(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == *d.Spec.Replicas &&
		s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas
}

// tell shows what the pods say, for a test that has failed.
func (c *cluster) tell(t *testing.T, namespace string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	pods, err := c.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		lines := int64(20)
		said, err := c.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
		t.Logf("%s: %s %+v\n%s%v", pod.Name, pod.Status.Phase, pod.Status.ContainerStatuses, said, err)
	}
	events, err := c.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	for _, e := range events.Items {
		if e.Type != corev1.EventTypeNormal {
			t.Logf("%s %s: %s", e.InvolvedObject.Name, e.Reason, e.Message)
		}
	}
}
