package main

import (
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

// world is what the autoscaler is shown: pods that are all ready.
type world struct {
	t      *testing.T
	policy simulator.Policy
	second int
}

func begin(t *testing.T, pods int, target float64) *world {
	t.Helper()
	s := simulator.DefaultSettings()
	s.Min, s.Target = pods, target
	policy, err := newKPA(s)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, policy: policy}
}

// calm is a world whose first minute is over, in which the autoscaler panics
// since it has just been started. 10 pods have the load for 10, at a target of
// half a request for each.
func calm(t *testing.T) *world {
	t.Helper()
	w := begin(t, 10, 0.5)
	w.show(120, 10, 5)
	return w
}

// show gives the size after some seconds in which pods have a number of
// requests among them.
func (w *world) show(seconds, pods int, requests float64) (size int) {
	for range seconds {
		size = w.policy.Step(&simulator.View{Second: w.second, InSystem: requests, Replicas: pods, Ready: pods})
		w.second++
	}
	return size
}

// expect is show with the size that has to come of it.
func (w *world) expect(seconds, pods int, requests float64, want int) {
	w.t.Helper()
	if got := w.show(seconds, pods, requests); got != want {
		w.t.Errorf("in second %d, %v requests at %d pods: size %d, want %d", w.second, requests, pods, got, want)
	}
}

func TestAPodIsSizedForItsShareOfOneRequest(t *testing.T) {
	t.Parallel()
	for target, want := range map[float64]int{0.5: 20, 0.7: 15, 1: 10, 0.001: 1000} { // 0.01 is Knative's least
		w := begin(t, 1, target)
		w.show(60, 10, 10)
		w.expect(120, 1000, 10, max(want, 500)) // at most a half goes at a time
		w.expect(2, want, 10, want)
	}
}

func TestTheStableWindowIsAMinuteLong(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.expect(30, 10, 6.5, 12) // half of it has passed: the mean is 5.75
	w.expect(30, 10, 6.5, 13)
}

func TestItDecidesEveryTwoSeconds(t *testing.T) {
	t.Parallel()
	w := begin(t, 1, 0.5)
	w.expect(1, 1, 5, 1)
	w.expect(1, 1, 5, 10)
}

func TestItPanicsAtTwiceTheCapacity(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.expect(6, 10, 9.5, 11) // 19 pods are not twice as many: the mean of the minute counts
	w = calm(t)
	w.expect(6, 10, 10, 20)
}

func TestItDoesNotShrinkWhileItPanics(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.expect(6, 10, 15, 30)
	w.expect(60, 30, 0.5, 30)
	w.expect(6, 30, 0.5, 15)
}

func TestItPanicsForAMinuteAfterItsStart(t *testing.T) {
	t.Parallel()
	w := begin(t, 10, 0.5)
	w.expect(60, 10, 0.5, 10)
	w.expect(2, 10, 0.5, 5)
}

func TestAtMostHalfOfThePodsGoAtATick(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.show(60, 10, 0)
	w.expect(2, 101, 0, 50)
	w.expect(2, 50, 0, 25)
	w.expect(2, 1, 0, 0)
}

func TestAtMostAThousandTimesThePodsComeAtATick(t *testing.T) {
	t.Parallel()
	w := begin(t, 1, 1)
	w.expect(2, 1, 5000, 1000)
	w.expect(2, 2, 5000, 2000)
}

func TestPodsThatStartAreNotReady(t *testing.T) {
	t.Parallel()
	w := calm(t)
	for range 6 {
		w.policy.Step(&simulator.View{Second: w.second, InSystem: 5, Replicas: 10, Ready: 5})
		w.second++
	}
	w.expect(30, 20, 0.5, 10) // load for 10 at 5 that were ready: it panics
}

// A policy is to take less than 5 µs for a second: 200 000 of them in one.
func BenchmarkSimulatedSeconds(b *testing.B) {
	const days = 3
	trace, err := simulator.Generate("weekly", days, 1)
	if err != nil {
		b.Fatal(err)
	}
	arrivals := simulator.Draw(trace, 1)
	s := simulator.DefaultSettings()
	s.ScoreFrom = 0
	world, err := simulator.NewWorld(s)
	if err != nil {
		b.Fatal(err)
	}
	makers := simulator.Policies()
	makers[simulator.KPA] = newKPA
	for name, maker := range makers {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := world.Run(name, arrivals, maker, time.Now, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*trace.Seconds())/b.Elapsed().Seconds(), "simulated-s/s")
		})
	}
}
