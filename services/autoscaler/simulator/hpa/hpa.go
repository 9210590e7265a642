// Copyright 2016 The Kubernetes Authors.
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

// Package hpa is the HorizontalPodAutoscaler of Kubernetes 1.34, ported from
// pkg/controller/podautoscaler (replica_calculator.go, horizontal.go and
// metrics/utilization.go) without the API server around it: pods are a slice,
// metrics are fields of theirs, and the clock is passed in. Changed against the
// original: types, and what follows from them. testdata holds the tables of
// Kubernetes' own tests.
package hpa

import (
	"errors"
	"math"
	"time"
)

// Defaults of kube-controller-manager.
const (
	SyncPeriod                    = 15 * time.Second
	DefaultTolerance              = 0.1
	CPUInitializationPeriod       = 5 * time.Minute
	DelayOfInitialReadinessStatus = 30 * time.Second
	DownscaleStabilisationWindow  = 5 * time.Minute
)

// Pod is what the calculation needs of one.
type Pod struct {
	Deleted, Failed, Pending bool
	Ready                    bool
	// Conditioned and Started tell whether the pod has a Ready condition and a
	// start time at all.
	Conditioned, Started bool
	StartTime            time.Time
	LastTransition       time.Time // of the Ready condition

	Request int64 // millicores; of a pod without one the calculation fails

	// The pod's metric, if there is one.
	HasMetric  bool
	Value      int64 // milli-units
	MetricTime time.Time
	Window     time.Duration
}

// Tolerances are by how much the usage may be off before anything changes.
type Tolerances struct{ ScaleDown, ScaleUp float64 }

func (t Tolerances) isWithin(usageRatio float64) bool {
	return (1.0-t.ScaleDown) <= usageRatio && usageRatio <= (1.0+t.ScaleUp)
}

// Errors of the calculation; each leaves the size as it is.
var (
	ErrNoPods    = errors.New("no pods returned by selector while calculating replica count")
	ErrNoMetrics = errors.New("did not receive metrics for targeted pods (pods might be unready)")
	ErrNoRequest = errors.New("missing request for a pod")
	ErrUnmatched = errors.New("no metrics returned matched known pods")
)

// Calculator bundles what the calculation needs beside pods.
type Calculator struct {
	CPUInitializationPeriod       time.Duration
	DelayOfInitialReadinessStatus time.Duration
}

// total sums usage and requests of the pods that take part.
type total struct {
	usage, requests int64
	pods            int
}

func (t *total) add(usage, request int64) {
	t.usage += usage
	t.requests += request
	t.pods++
}

// groups are the pods as groupPods sorts them.
type groups struct {
	ready            int
	measured         total // with a metric, ready
	unready, missing int
	missingRequests  int64
	unreadyRequests  int64
}

// group sorts the pods. Metrics of ignored and unready pods do not count.
func (c Calculator) group(pods []Pod, cpu bool, now time.Time) groups {
	var g groups
	for i := range pods {
		pod := &pods[i]
		if pod.Deleted || pod.Failed {
			continue
		}
		if pod.Pending {
			g.unready++
			g.unreadyRequests += pod.Request
			continue
		}
		if !pod.HasMetric {
			g.missing++
			g.missingRequests += pod.Request
			continue
		}
		if cpu && c.unready(pod, now) {
			g.unready++
			g.unreadyRequests += pod.Request
			continue
		}
		g.ready++
		g.measured.add(pod.Value, pod.Request)
	}
	return g
}

func (c Calculator) unready(pod *Pod, now time.Time) bool {
	if !pod.Conditioned || !pod.Started {
		return true
	}
	if pod.StartTime.Add(c.CPUInitializationPeriod).After(now) {
		// Ignore sample if pod is unready or one window of metric wasn't
		// collected since last state transition.
		return !pod.Ready || pod.MetricTime.Before(pod.LastTransition.Add(pod.Window))
	}
	// Ignore metric if pod is unready and it has never been ready.
	return !pod.Ready && pod.StartTime.Add(c.DelayOfInitialReadinessStatus).After(pod.LastTransition)
}

// ResourceReplicas is GetResourceReplicas: the size that brings the pods' use
// of a resource to a percentage of what they request. It also gives the present
// percentage.
func (c Calculator) ResourceReplicas(current, target int32, cpu bool, tolerances Tolerances, pods []Pod, now time.Time) (replicas, utilization int32, err error) {
	if len(pods) == 0 {
		return 0, 0, ErrNoPods
	}
	g := c.group(pods, cpu, now)
	if g.measured.pods == 0 {
		return 0, 0, ErrNoMetrics
	}
	for i := range pods {
		if pods[i].Request == 0 {
			return 0, 0, ErrNoRequest
		}
	}
	usageRatio, utilization, err := utilizationRatio(g.measured, target)
	if err != nil {
		return 0, 0, err
	}
	return c.replicas(current, usageRatio, g, tolerances, func(t total) (float64, error) {
		if g.missing > 0 && usageRatio < 1.0 {
			// on a scale-down, treat missing pods as using 100% (all) of the
			// resource request, or the utilization target for targets higher
			// than 100%
			t.usage += g.missingRequests * int64(max(100, target)) / 100
		}
		t.requests += g.missingShare(usageRatio)
		if g.unready > 0 && usageRatio > 1.0 {
			t.requests += g.unreadyRequests
		}
		ratio, _, err := utilizationRatio(t, target)
		return ratio, err
	}), utilization, nil
}

// missingShare is what the missing pods request, where they take part.
func (g *groups) missingShare(usageRatio float64) int64 {
	if usageRatio == 1.0 {
		return 0
	}
	return g.missingRequests
}

// MetricReplicas is GetMetricReplicas: the size that brings a metric's average
// over the pods to a target in milli-units. It also gives the present average.
func (c Calculator) MetricReplicas(current int32, target int64, tolerances Tolerances, pods []Pod, now time.Time) (replicas int32, usage int64, err error) {
	if len(pods) == 0 {
		return 0, 0, ErrNoPods
	}
	g := c.group(pods, false, now)
	if g.measured.pods == 0 {
		return 0, 0, ErrNoMetrics
	}
	usageRatio, usage := metricUsageRatio(g.measured, target)
	return c.replicas(current, usageRatio, g, tolerances, func(t total) (float64, error) {
		if usageRatio < 1.0 {
			// on a scale-down, treat missing pods as using exactly the target
			// amount
			t.usage += int64(g.missing) * target
		}
		t.pods += g.joining(usageRatio)
		ratio, _ := metricUsageRatio(t, target)
		return ratio, nil
	}), usage, nil
}

// joining is how many pods without a usable metric take part.
func (g *groups) joining(usageRatio float64) int {
	n := 0
	if usageRatio != 1.0 {
		n += g.missing
	}
	if usageRatio > 1.0 {
		n += g.unready
	}
	return n
}

// replicas is what the calculations for resources and other metrics share.
// again works the usage ratio out anew with unready and missing pods filled in:
// on a scale-up both are treated as using nothing.
func (c Calculator) replicas(current int32, usageRatio float64, g groups, tolerances Tolerances, again func(total) (float64, error)) int32 {
	scaleUpWithUnready := g.unready > 0 && usageRatio > 1.0
	if !scaleUpWithUnready && g.missing == 0 {
		if tolerances.isWithin(usageRatio) {
			// return the current replicas if the change would be too small
			return current
		}
		// if we don't have any unready or missing pods, we can calculate the
		// new replica count now
		return int32(math.Ceil(usageRatio * float64(g.ready)))
	}
	newUsageRatio, err := again(g.measured)
	if err != nil {
		return current
	}
	if tolerances.isWithin(newUsageRatio) || (usageRatio < 1.0 && newUsageRatio > 1.0) || (usageRatio > 1.0 && newUsageRatio < 1.0) {
		// return the current replicas if the change would be too small, or if
		// the new usage ratio would cause a change in scale direction
		return current
	}
	newReplicas := int32(math.Ceil(newUsageRatio * float64(g.measured.pods+g.joining(usageRatio))))
	if (newUsageRatio < 1.0 && newReplicas > current) || (newUsageRatio > 1.0 && newReplicas < current) {
		// return the current replicas if the change of metrics length would
		// cause a change in scale direction
		return current
	}
	return newReplicas
}

// ExternalPerPodReplicas is GetExternalPerPodMetricReplicas: the size at which
// an outside metric, shared by all pods, comes to a target for each.
func ExternalPerPodReplicas(status int32, target int64, tolerances Tolerances, values ...int64) (replicas int32, usage int64) {
	for _, value := range values {
		usage += value
		if usage < 0 {
			usage = math.MaxInt64 // the sum overflowed
			break
		}
	}
	replicas = status
	usageRatio := float64(usage) / (float64(target) * float64(replicas))
	if !tolerances.isWithin(usageRatio) {
		// update number of replicas if the change is large enough
		result := math.Ceil(float64(usage) / float64(target))
		if result > float64(math.MaxInt32) {
			replicas = math.MaxInt32
		} else {
			replicas = int32(result)
		}
	}
	if float64(usage) >= float64(math.MaxInt64) {
		usage = math.MaxInt64
	} else {
		usage = int64(math.Ceil(float64(usage) / float64(status)))
	}
	return replicas, usage
}

// utilizationRatio is GetResourceUtilizationRatio.
func utilizationRatio(t total, target int32) (ratio float64, current int32, err error) {
	if t.requests == 0 {
		return 0, 0, ErrUnmatched
	}
	current = int32((t.usage * 100) / t.requests) //nolint:gosec // as in the original
	return float64(current) / float64(target), current, nil
}

// metricUsageRatio is GetMetricUsageRatio.
func metricUsageRatio(t total, target int64) (ratio float64, current int64) {
	current = t.usage / int64(t.pods)
	return float64(current) / float64(target), current
}
