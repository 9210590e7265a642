// Package kubernetes looks at and scales Deployments: pods and Deployments come
// from watches, sizes are set through the scale subresource, orders are
// annotations, and what was learned is kept in a ConfigMap.
package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/trivetkv/trivet/services/autoscaler/advise"
	"github.com/trivetkv/trivet/services/autoscaler/control"
	"github.com/trivetkv/trivet/services/autoscaler/signal"
)

// Annotations of a Deployment that hold orders.
const (
	AnnotationPaused   = "trivet.dev/autoscaling-paused"   // "true"
	AnnotationDryRun   = "trivet.dev/autoscaling-dry-run"  // "true"
	AnnotationFixed    = "trivet.dev/autoscaling-fixed"    // a number
	AnnotationSchedule = "trivet.dev/autoscaling-schedule" // JSON, see control.Schedule
)

// Target is a Deployment and where its pods tell their metrics.
type Target struct {
	Namespace, Name string
	MetricsPort     int
	TLS             bool // of that port
}

// driver is a control.Driver for one Deployment.
type driver struct {
	target      Target
	client      kubernetes.Interface
	deployments appslisters.DeploymentLister
	pods        corelisters.PodLister
	events      record.EventRecorder

	mu       sync.Mutex
	observed *appsv1.Deployment // of the last Observe
	started  map[types.UID]bool // pods whose start-up time has been told
}

func newDriver(target Target, client kubernetes.Interface, deployments appslisters.DeploymentLister, pods corelisters.PodLister, events record.EventRecorder) *driver {
	return &driver{target: target, client: client, deployments: deployments, pods: pods, events: events}
}

// Observe implements control.Driver from the watches' caches.
func (d *driver) Observe(context.Context) (control.Workload, error) {
	deployment, err := d.deployments.Deployments(d.target.Namespace).Get(d.target.Name)
	if err != nil {
		return control.Workload{}, fmt.Errorf("the Deployment: %w", err)
	}
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return control.Workload{}, fmt.Errorf("the Deployment's selector: %w", err)
	}
	pods, err := d.pods.Pods(d.target.Namespace).List(selector)
	if err != nil {
		return control.Workload{}, fmt.Errorf("the pods: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.observed = deployment
	w := control.Workload{Replicas: replicas(deployment), Rollout: rollingOut(deployment), Orders: orders(deployment.Annotations)}
	for _, pod := range pods {
		switch {
		case pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		case ready(pod) != nil:
			w.Ready++
			w.Pods = append(w.Pods, d.signals(pod))
		case unschedulable(pod):
			w.Unschedulable++
		}
	}
	w.Started = d.startups(pods, w.Rollout)
	// What a rollout adds beyond the size is not for us to count.
	w.Ready = min(w.Ready, w.Replicas)
	return w, nil
}

func (d *driver) signals(pod *corev1.Pod) signal.Pod {
	address := net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(d.target.MetricsPort))
	scheme := "http://"
	if d.target.TLS {
		scheme = "https://"
	}
	return signal.Pod{Name: pod.Name, URL: scheme + address + "/metrics", CPUs: cpus(pod), Requested: requested(pod)}
}

// cpus is what a pod's containers may use: their limits, or what they request
// where there is none. 0 when a container has neither.
func cpus(pod *corev1.Pod) float64 {
	sum := 0.
	for i := range pod.Spec.Containers {
		resources := &pod.Spec.Containers[i].Resources
		quantity, ok := resources.Limits[corev1.ResourceCPU]
		if !ok {
			quantity, ok = resources.Requests[corev1.ResourceCPU]
		}
		if !ok {
			return 0
		}
		sum += quantity.AsApproximateFloat64()
	}
	return sum
}

// requested is what a pod's containers request.
func requested(pod *corev1.Pod) advise.Usage {
	var sum advise.Usage
	for i := range pod.Spec.Containers {
		requests := pod.Spec.Containers[i].Resources.Requests
		sum.CPUs += requests.Cpu().AsApproximateFloat64()
		sum.Memory += requests.Memory().AsApproximateFloat64()
	}
	return sum
}

// startups gives how long pods needed that have become ready since the last
// observation. Those that were there at the first one, and those of a rollout,
// which wait for each other, say nothing.
func (d *driver) startups(pods []*corev1.Pod, rollout bool) []time.Duration {
	first := d.started == nil
	known := make(map[types.UID]bool, len(pods))
	var times []time.Duration
	for _, pod := range pods {
		since := ready(pod)
		if since == nil {
			continue
		}
		known[pod.UID] = true
		took := since.Sub(pod.CreationTimestamp.Time)
		if !first && !d.started[pod.UID] && !rollout && took >= 0 && restarts(pod) == 0 {
			times = append(times, took)
		}
	}
	d.started = known
	return times
}

func restarts(pod *corev1.Pod) int {
	n := 0
	for i := range pod.Status.ContainerStatuses {
		n += int(pod.Status.ContainerStatuses[i].RestartCount)
	}
	return n
}

// ready gives since when a pod takes load; nil: it does not.
func ready(pod *corev1.Pod) *metav1.Time {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pod.Status.PodIP != "" {
			return &c.LastTransitionTime
		}
	}
	return nil
}

func unschedulable(pod *corev1.Pod) bool {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return true
		}
	}
	return false
}

func replicas(deployment *appsv1.Deployment) int {
	if deployment.Spec.Replicas == nil {
		return 1
	}
	return int(*deployment.Spec.Replicas)
}

// rollingOut tells that pods are being replaced.
func rollingOut(deployment *appsv1.Deployment) bool {
	s := &deployment.Status
	return s.ObservedGeneration < deployment.Generation && s.UpdatedReplicas < s.Replicas || s.UpdatedReplicas < s.Replicas
}

// orders reads the annotations.
func orders(annotations map[string]string) control.Orders {
	o := control.Orders{Paused: annotations[AnnotationPaused] == "true", DryRun: annotations[AnnotationDryRun] == "true"}
	if text := annotations[AnnotationFixed]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			o.Problem = fmt.Sprintf("the annotation %s is no number of 0 or more: nothing shrinks", AnnotationFixed)
		} else {
			o.Fixed = &n
		}
	}
	if text := annotations[AnnotationSchedule]; text != "" {
		schedule, err := control.ParseSchedule(text)
		if err != nil {
			o.Problem = fmt.Sprintf("the annotation %s: %v: nothing shrinks", AnnotationSchedule, err)
		}
		o.Schedule = schedule
	}
	return o
}

// Scale implements control.Driver. The size is set only if it still is what was
// observed.
func (d *driver) Scale(ctx context.Context, size int, _ string) error {
	d.mu.Lock()
	observed := d.observed
	d.mu.Unlock()
	deployments := d.client.AppsV1().Deployments(d.target.Namespace)
	scale, err := deployments.GetScale(ctx, d.target.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("the scale subresource: %w", err)
	}
	if observed == nil || int(scale.Spec.Replicas) != replicas(observed) {
		return control.ErrConflict
	}
	// Its resource version makes the update fail if anybody comes between.
	scale.Spec = autoscalingv1.ScaleSpec{Replicas: int32(size)} //nolint:gosec // sizes are small
	if _, err := deployments.UpdateScale(ctx, d.target.Name, scale, metav1.UpdateOptions{}); err != nil {
		if apierrors.IsConflict(err) {
			return control.ErrConflict
		}
		return fmt.Errorf("the scale subresource: %w", err)
	}
	return nil
}

// Tell implements control.Driver with an Event.
func (d *driver) Tell(reason, message string) {
	d.mu.Lock()
	observed := d.observed
	d.mu.Unlock()
	if observed == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if reason == "Blind" || reason == "NotScaled" {
		kind = corev1.EventTypeWarning
	}
	d.events.Event(observed, kind, reason, message)
}

// Order sets or removes annotations: nil removes one.
func Order(ctx context.Context, client kubernetes.Interface, t Target, annotations map[string]*string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return fmt.Errorf("write the annotations: %w", err)
	}
	_, err = client.AppsV1().Deployments(t.Namespace).Patch(ctx, t.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("annotate the Deployment: %w", err)
	}
	return nil
}
