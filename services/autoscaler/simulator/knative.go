package simulator

import (
	"math"

	"github.com/trivetkv/trivet/services/autoscaler/simulator/kpa"
)

// knative is Knative's autoscaler on concurrency, its default. A simulated pod
// serves one request at a time, so its hard limit (containerConcurrency) is 1
// and the target is a share of that.
type knative struct {
	scaler        *kpa.Autoscaler
	stable, panic average
	size          int
}

// KPA makes Knative's autoscaler.
func KPA(s Settings) (Policy, error) {
	return &knative{
		scaler: kpa.New(kpa.Spec{
			MaxScaleUpRate: kpa.MaxScaleUpRate, MaxScaleDownRate: kpa.MaxScaleDownRate, TargetValue: s.Target,
			PanicThreshold: kpa.PanicThreshold, StableWindow: kpa.StableWindow, Reachable: true,
		}, s.Min, epoch),
		stable: average{ring: make([]float64, int(kpa.StableWindow.Seconds()))},
		panic:  average{ring: make([]float64, int(kpa.PanicWindow.Seconds()))},
		size:   s.Min,
	}, nil
}

func (k *knative) Step(v *View) int {
	k.stable.add(v.InSystem)
	k.panic.add(v.InSystem)
	now := v.Second + 1
	if now%int(kpa.Tick.Seconds()) == 0 {
		k.size = int(k.scaler.Scale(v.Ready, k.stable.mean(), k.panic.mean(), moment(now)))
	}
	return k.size
}

// average is the mean of the last values. Knative's TimedFloat64Buckets come to
// the same with one value for each bucket and no gaps, down to the rounding.
type average struct {
	ring []float64
	n    int
	sum  float64
}

func (a *average) add(value float64) {
	slot := a.n % len(a.ring)
	a.sum += value - a.ring[slot]
	a.ring[slot] = value
	a.n++
}

func (a *average) mean() float64 {
	const digits = 1e6
	return math.Round(a.sum/float64(min(a.n, len(a.ring)))*digits) / digits
}
