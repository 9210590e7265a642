package main

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/serving/pkg/apis/autoscaling"
	"knative.dev/serving/pkg/autoscaler/aggregation"
	"knative.dev/serving/pkg/autoscaler/config"
	"knative.dev/serving/pkg/autoscaler/config/autoscalerconfig"
	"knative.dev/serving/pkg/autoscaler/scaling"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

// tick is how often Knative's multiscaler asks its autoscalers, in seconds.
const tick = 2

// kpa shows the simulation to Knative's autoscaler, with Knative's defaults.
type kpa struct {
	scaler scaling.UniScaler
	load   windows
	pods   pods
	began  time.Time // the trace's first second, for Knative
	size   int
}

// newKPA makes Knative's autoscaler on concurrency, which is its default. A
// simulated pod serves one request at a time, so its hard limit
// (containerConcurrency) is 1, and the target is a share of that.
func newKPA(s simulator.Settings) (simulator.Policy, error) {
	defaults, err := config.NewConfigFromMap(nil)
	if err != nil {
		return nil, err
	}
	// The autoscaler reads the real clock once, when it is made: with pods it
	// begins in panic mode, as after a restart. So its time begins now, too.
	k := &kpa{load: newWindows(defaults), pods: pods{ready: s.Min}, began: time.Now(), size: s.Min}
	k.scaler = scaling.New(attribute.Set{}, noop.NewMeterProvider(), "", "", &k.load, &k.pods, &scaling.DeciderSpec{
		ScalingMetric: autoscaling.Concurrency, TargetValue: math.Max(autoscaling.TargetMin, s.Target), TotalValue: 1,
		MaxScaleUpRate: defaults.MaxScaleUpRate, MaxScaleDownRate: defaults.MaxScaleDownRate,
		PanicThreshold: defaults.PanicThresholdPercentage / 100, StableWindow: defaults.StableWindow,
		TargetBurstCapacity: defaults.TargetBurstCapacity, ActivatorCapacity: defaults.ActivatorCapacity,
		ScaleDownDelay: defaults.ScaleDownDelay, InitialScale: defaults.InitialScale, Reachable: true,
	})
	return k, nil
}

// Step shows a second and asks for a size at every tick.
func (k *kpa) Step(v *simulator.View) int {
	now := k.began.Add(time.Duration(v.Second+1) * time.Second)
	k.load.record(now, v.InSystem)
	if (v.Second+1)%tick != 0 {
		return k.size
	}
	k.pods.ready, k.pods.starting = v.Ready, v.Replicas-v.Ready
	if result := k.scaler.Scale(silent, now); result.ScaleValid {
		k.size = int(result.DesiredPodCount)
	}
	return k.size
}

// silent is where the autoscaler's log goes.
var silent = zap.NewNop().Sugar()

// windows hold the concurrency that Knative's collector would have scraped.
type windows struct {
	stable, panic *aggregation.TimedFloat64Buckets
}

func newWindows(c *autoscalerconfig.Config) windows {
	short := time.Duration(float64(c.StableWindow) * c.PanicWindowPercentage / 100).Round(time.Second)
	return windows{
		stable: aggregation.NewTimedFloat64Buckets(c.StableWindow, config.BucketSize),
		panic:  aggregation.NewTimedFloat64Buckets(short, config.BucketSize),
	}
}

func (w *windows) record(now time.Time, concurrency float64) {
	w.stable.Record(now, concurrency)
	w.panic.Record(now, concurrency)
}

// StableAndPanicConcurrency gives the means over the two windows.
func (w *windows) StableAndPanicConcurrency(_ types.NamespacedName, now time.Time) (stable, panic float64, err error) {
	return w.stable.WindowAverage(now), w.panic.WindowAverage(now), nil
}

// StableAndPanicRPS is for the metric that is not used here.
func (*windows) StableAndPanicRPS(types.NamespacedName, time.Time) (stable, panic float64, err error) {
	return 0, 0, nil
}

// pods are how many there are, as the endpoints of a Service would tell.
type pods struct{ ready, starting int }

// ReadyCount is how many are ready.
func (p *pods) ReadyCount() (int, error) { return p.ready, nil }

// NotReadyCount is how many are not ready yet.
func (p *pods) NotReadyCount() (int, error) { return p.starting, nil }
