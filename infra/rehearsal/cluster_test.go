//go:build e2e

package rehearsal_test

import (
	"os"
	"sync/atomic"
	"testing"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivetkv/trivet/infra/rehearsal"
)

// The image that the cluster of test/kubernetes has from its start.
const pause = "trivet.local/pause:1"

// With a cluster, objects are on it between up and destroy, ready, and gone
// afterwards.
func TestOnAClusterObjectsAreMadeForReal(t *testing.T) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		t.Fatal("KUBECONFIG names no cluster; test/kubernetes/up starts one on this machine")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var made atomic.Value // name of the namespace
	o := small(t, nil)
	o.Cluster = kubeconfig
	o.Program = func(ctx *pulumi.Context) error {
		namespace, err := corev1.NewNamespace(ctx, "rehearsal", nil)
		if err != nil {
			return err
		}
		labels := pulumi.StringMap{"app": pulumi.String("idle")}
		idle, err := appsv1.NewDeployment(ctx, "idle", &appsv1.DeploymentArgs{
			Metadata: metav1.ObjectMetaArgs{Namespace: namespace.Metadata.Name(), Name: pulumi.String("idle")},
			Spec: appsv1.DeploymentSpecArgs{
				Replicas: pulumi.Int(2),
				Selector: metav1.LabelSelectorArgs{MatchLabels: labels},
				Template: corev1.PodTemplateSpecArgs{
					Metadata: metav1.ObjectMetaArgs{Labels: labels},
					Spec: corev1.PodSpecArgs{Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name: pulumi.String("idle"), Image: pulumi.String(pause), ImagePullPolicy: pulumi.String("IfNotPresent"),
					}}},
				},
			},
		})
		if err != nil {
			return err
		}
		pulumi.All(idle.Metadata.Namespace(), idle.Status.AvailableReplicas()).ApplyT(func(values []any) (bool, error) {
			name, replicas := *values[0].(*string), *values[1].(*int)
			live, err := cluster.AppsV1().Deployments(name).Get(ctx.Context(), "idle", meta.GetOptions{})
			if err != nil {
				return false, err
			}
			if replicas != 2 || live.Status.AvailableReplicas != 2 {
				t.Errorf("%d pods, said to be %d, when it should be ready", live.Status.AvailableReplicas, replicas)
			}
			made.Store(name)
			return true, nil
		})
		return nil
	}
	if _, err := rehearsal.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	name, _ := made.Load().(string)
	if name == "" {
		t.Fatal("nothing was made")
	}
	if _, err := cluster.CoreV1().Namespaces().Get(t.Context(), name, meta.GetOptions{}); !errors.IsNotFound(err) {
		t.Errorf("namespace %s is left: %v", name, err)
	}
}
