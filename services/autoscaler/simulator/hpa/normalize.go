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

package hpa

import (
	"math"
	"time"
)

// Limits of one step up, where an object has no behavior of its own.
const (
	scaleUpLimitFactor  = 2.0
	scaleUpLimitMinimum = 4.0
)

// recommendation is timestampedRecommendation.
type recommendation struct {
	replicas int32
	at       time.Time
}

// Normalizer is what the controller remembers of one object to smooth its
// recommendations. The zero value is ready.
type Normalizer struct{ recommendations []recommendation }

// Normalize is normalizeDesiredReplicas: the highest recommendation of the
// window, within the limits.
func (n *Normalizer) Normalize(current, desired, least, most int32, now time.Time) int32 {
	if n.recommendations == nil { // recordInitialRecommendation
		n.recommendations = []recommendation{{current, now}}
	}
	return convertDesiredReplicasWithRules(current, n.stabilize(desired, now), least, most)
}

// stabilize is stabilizeRecommendation.
func (n *Normalizer) stabilize(desired int32, now time.Time) int32 {
	maxRecommendation := desired
	foundOldSample := false
	oldSampleIndex := 0
	cutoff := now.Add(-DownscaleStabilisationWindow)
	for i, rec := range n.recommendations {
		if rec.at.Before(cutoff) {
			foundOldSample = true
			oldSampleIndex = i
		} else if rec.replicas > maxRecommendation {
			maxRecommendation = rec.replicas
		}
	}
	if foundOldSample {
		n.recommendations[oldSampleIndex] = recommendation{desired, now}
	} else {
		n.recommendations = append(n.recommendations, recommendation{desired, now})
	}
	return maxRecommendation
}

func convertDesiredReplicasWithRules(current, desired, least, most int32) int32 {
	// Do not scaleup too much to prevent incorrect rapid increase of the number
	// of master replicas caused by bogus CPU usage report.
	limit := min(most, calculateScaleUpLimit(current))
	if desired < least {
		return least
	}
	return min(desired, limit)
}

func calculateScaleUpLimit(current int32) int32 {
	return int32(math.Max(scaleUpLimitFactor*float64(current), scaleUpLimitMinimum))
}
