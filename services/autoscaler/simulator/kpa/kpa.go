// Copyright 2018 The Knative Authors
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

// Package kpa is the decision of Knative's autoscaler, ported line by line from
// pkg/autoscaler/scaling/autoscaler.go of knative.dev/serving v0.51.0. Changed
// against the original: what is observed is passed in instead of asked for, and
// logs, metrics, the scale-down delay (0 by default) and the capacity that its
// activator needs are left out.
package kpa

import (
	"math"
	"time"
)

// Defaults of Knative's config-autoscaler.
const (
	Tick             = 2 * time.Second // of the multiscaler
	StableWindow     = 60 * time.Second
	PanicWindow      = 6 * time.Second
	PanicThreshold   = 2.0
	MaxScaleUpRate   = 1000.0
	MaxScaleDownRate = 2.0
)

// Spec are the parameters by which a revision is scaled.
type Spec struct {
	MaxScaleUpRate   float64
	MaxScaleDownRate float64
	TargetValue      float64 // of the metric, per pod
	PanicThreshold   float64
	StableWindow     time.Duration
	Reachable        bool
	ActivationScale  int32 // the smallest size above zero; 0 or 1: any
}

// Autoscaler is the state of one revision.
type Autoscaler struct {
	spec         Spec
	panicTime    time.Time
	maxPanicPods int32
}

// New makes an autoscaler at a time at which pods are ready. With more than one
// it begins in panic mode, which keeps their number.
func New(spec Spec, pods int, now time.Time) *Autoscaler {
	a := &Autoscaler{spec: spec, maxPanicPods: int32(pods)} //nolint:gosec // sizes are small
	if pods > 1 {
		a.panicTime = now
	}
	return a
}

// Scale gives the size for the metric's averages over the two windows.
func (a *Autoscaler) Scale(readyPods int, observedStableValue, observedPanicValue float64, now time.Time) int32 {
	spec := &a.spec
	// Use 1 if there are zero current pods.
	readyPodsCount := math.Max(1, float64(readyPods))

	// Make sure we don't get stuck with the same number of pods, if the scale
	// up rate is too conservative and MaxScaleUp*RPC==RPC, so this permits us
	// to grow at least by a single pod if we need to scale up.
	maxScaleUp := math.Ceil(spec.MaxScaleUpRate * readyPodsCount)
	// Same logic, opposite math applies here.
	maxScaleDown := 0.
	if spec.Reachable {
		maxScaleDown = math.Floor(readyPodsCount / spec.MaxScaleDownRate)
	}

	dspc := math.Ceil(observedStableValue / spec.TargetValue)
	dppc := math.Ceil(observedPanicValue / spec.TargetValue)

	// We want to keep desired pod count in the  [maxScaleDown, maxScaleUp] range.
	desiredStablePodCount := int32(math.Min(math.Max(dspc, maxScaleDown), maxScaleUp))
	desiredPanicPodCount := int32(math.Min(math.Max(dppc, maxScaleDown), maxScaleUp))

	// If ActivationScale > 1, then adjust the desired pod counts
	if spec.ActivationScale > 1 {
		if dspc > 0 && spec.ActivationScale > desiredStablePodCount {
			desiredStablePodCount = spec.ActivationScale
		}
		if dppc > 0 && spec.ActivationScale > desiredPanicPodCount {
			desiredPanicPodCount = spec.ActivationScale
		}
	}

	isOverPanicThreshold := dppc/readyPodsCount >= spec.PanicThreshold

	switch {
	case a.panicTime.IsZero() && isOverPanicThreshold:
		// Begin panicking when we cross the threshold in the panic window.
		a.panicTime = now
	case isOverPanicThreshold:
		// If we're still over panic threshold right now — extend the panic window.
		a.panicTime = now
	case !a.panicTime.IsZero() && !isOverPanicThreshold && a.panicTime.Add(spec.StableWindow).Before(now):
		// Stop panicking after the surge has made its way into the stable metric.
		a.panicTime = time.Time{}
		a.maxPanicPods = 0
	}

	desiredPodCount := desiredStablePodCount
	if !a.panicTime.IsZero() {
		// In some edgecases stable window metric might be larger than panic
		// one. And we should provision for stable as for panic, so pick the
		// larger of the two.
		if desiredPodCount < desiredPanicPodCount {
			desiredPodCount = desiredPanicPodCount
		}
		// We do not scale down while in panic mode. Only increases will be applied.
		if desiredPodCount > a.maxPanicPods {
			a.maxPanicPods = desiredPodCount
		}
		desiredPodCount = a.maxPanicPods
	}
	return desiredPodCount
}
