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

package kpa_test

import (
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/simulator/kpa"
)

// The cases are those of pkg/autoscaler/scaling/autoscaler_test.go of
// knative.dev/serving v0.51.0.

var start = time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)

func spec(target float64) kpa.Spec {
	return kpa.Spec{
		MaxScaleUpRate: 10, MaxScaleDownRate: 10, TargetValue: target, PanicThreshold: 2,
		StableWindow: time.Minute, Reachable: true,
	}
}

type step struct {
	after         time.Duration // since the start
	ready         int
	stable, panic float64
	want          int32
}

func TestThePortAgreesWithTheTablesOfKnative(t *testing.T) {
	t.Parallel()
	slowUp, slowDown, unreachable, activation := spec(1), spec(10), spec(10), spec(10)
	slowUp.MaxScaleUpRate, slowDown.MaxScaleDownRate, unreachable.MaxScaleDownRate = 1.1, 1.1, 1.1
	unreachable.Reachable, activation.ActivationScale = false, 2
	for name, c := range map[string]struct {
		spec  kpa.Spec
		steps []step
	}{
		"NoDataAtZero":                        {spec(10), []step{{0, 1, 0, 0, 0}}},
		"StableModeNoChange":                  {spec(10), []step{{0, 1, 50, 50, 5}}},
		"StableModeIncrease":                  {spec(10), []step{{0, 1, 50, 10, 5}, {0, 1, 100, 10, 10}}},
		"StableModeDecrease":                  {spec(10), []step{{0, 8, 100, 100, 10}, {0, 8, 50, 50, 5}}},
		"StableModeNoTrafficScaleToZero":      {spec(10), []step{{0, 1, 1, 0, 1}, {0, 1, 0, 0, 0}}},
		"StableModeNoChangeAlreadyScaled":     {spec(10), []step{{0, 5, 50, 50, 5}}},
		"ActivationScale":                     {activation, []step{{0, 1, 0, 0, 0}, {0, 1, 1, 0, 2}}},
		"IncreaseWithSmallScaleUpRate":        {slowUp, []step{{0, 2, 3, 3.1, 3}}},
		"DecreaseWithSmallScaleDownRate":      {slowDown, []step{{0, 100, 1, 1, 90}}},
		"DecreaseNonReachable":                {unreachable, []step{{0, 100, 1, 1, 1}}},
		"PanicModeDoublePodCount":             {spec(10), []step{{0, 1, 50, 100, 10}}},
		"RateLimitScaleUp":                    {spec(10), []step{{0, 1, 1000, 1001, 10}, {0, 10, 1000, 1001, 100}}},
		"RateLimitScaleDown":                  {spec(10), []step{{0, 100, 1, 1, 10}, {0, 10, 1, 1, 1}}},
		"UseOnePodAsMinimumIfNoneIsThere":     {spec(10), []step{{0, 0, 1000, 888, 10}}},
		"PanicThenUnPanicScaleDown":           {spec(10), []step{{0, 1, 100, 100, 10}, {0, 10, 100, 1000, 100}, {30 * time.Second, 10, 1, 1, 100}, {61 * time.Second, 10, 1, 1, 1}}},
		"UnpanicAfterSlowIncrease":            {spec(1), []step{{0, 10, 11, 25, 25}, {30 * time.Second, 40, 30, 41, 41}, {62 * time.Second, 55, 50, 56, 50}}},
		"ExtendPanicWindow":                   {spec(1), []step{{0, 10, 11, 25, 25}, {30 * time.Second, 40, 30, 80, 80}}},
		"PanicModeExponentialTrackStabilizes": {spec(1), []step{{0, 1, 6, 6, 6}, {0, 6, 36, 36, 36}, {time.Second, 36, 216, 216, 216}, {time.Second, 216, 1296, 1296, 1296}, {2 * time.Second, 1296, 1296, 1296, 1296}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := kpa.New(c.spec, 0, start)
			for i, s := range c.steps {
				if got := a.Scale(s.ready, s.stable, s.panic, start.Add(s.after)); got != s.want {
					t.Errorf("step %d: %d, want %d", i, got, s.want)
				}
			}
		})
	}
}

func TestItStartsInPanicModeWithMoreThanOnePod(t *testing.T) {
	t.Parallel()
	a := kpa.New(spec(10), 7, start)
	if got := a.Scale(7, 10, 10, start.Add(time.Second)); got != 7 {
		t.Errorf("scaled to %d at the start, want the 7 that there were", got)
	}
}
