package policy_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/policy"
)

// Each test is a way in which users of other autoscalers were hurt.

// kedacore/keda#2244: the metrics were down, and everything was scaled to zero.
func TestMissingNumbersNeverShrink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(10*time.Minute, 1500)
	size := w.size
	for range 1800 {
		d := w.step(0, func(o *policy.Observation) {
			o.Scraped, o.Offered, o.Served, o.Utilisation = 0, 0, 0, -1
		})
		if d.Replicas != size || d.Reason != policy.ReasonBlind {
			t.Fatalf("blind, and %d of %d pods: %s", d.Replicas, size, d.Explain())
		}
	}
	// Once there are numbers again, it waits until it has seen enough of them.
	if d := w.step(50, nil); d.Replicas < size {
		t.Errorf("shrank to %d on the first numbers", d.Replicas)
	}
}

func TestPartialNumbersGrowButNeverShrink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(10*time.Minute, 1500)
	size := w.size
	half := func(rate float64) func(*policy.Observation) {
		return func(o *policy.Observation) {
			o.Scraped = max(1, o.Ready/2)
			o.Offered = rate * float64(o.Scraped) / float64(o.Ready)
		}
	}
	for range 600 {
		if d := w.step(200, half(200)); d.Replicas < size {
			t.Fatalf("shrank to %d on the numbers of half of the pods", d.Replicas)
		}
	}
	for range 30 {
		w.step(4000, half(4000))
	}
	if w.size < 40 {
		t.Errorf("%d pods for 4000/s that half of the pods tell of", w.size)
	}
}

// kubernetes/kubernetes#72775, #84142, #90461, #98914, #123325: the surge of a rollout is taken for
// need, and the size is inflated with each round.
func TestARolloutInflatesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 1500)
	size := w.size
	// A rollout replaces a quarter of the pods at a time: some are not ready,
	// CPU is high for the new ones start cold, and they serve the same load.
	for i := range 300 {
		d := w.step(w.noisy(1500), func(o *policy.Observation) {
			if i%2 == 0 {
				o.Ready -= o.Ready / 4
				o.Starting = o.Replicas - o.Ready
				o.Scraped = o.Ready
			}
			o.Utilisation = min(1, o.Utilisation*1.3)
		})
		if d.Replicas > size*5/4 {
			t.Fatalf("%d pods in the rollout, %d before: %s", d.Replicas, size, d.Explain())
		}
	}
}

// kubernetes/kubernetes#82285: stuck high while pods are pending.
func TestPendingPodsDoNotHoldTheSizeUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(10*time.Minute, 1000)
	w.step(8000, nil)
	for range 20 {
		w.step(w.noisy(8000), nil)
	}
	high := w.size
	// The pods that were asked for find no node; then the load goes.
	for range 1000 {
		w.step(w.noisy(1000), func(o *policy.Observation) {
			o.Ready = min(o.Ready, 14, o.Replicas)
			o.Scraped, o.Starting = o.Ready, o.Replicas-o.Ready
			o.Unschedulable = o.Starting
		})
	}
	if w.size > 20 || high < 60 {
		t.Errorf("%d pods after %d, for 1000/s", w.size, high)
	}
}

func TestPodsThatWaitForANodeAreSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(2*time.Minute, 1000)
	d := w.step(1000, func(o *policy.Observation) { o.Unschedulable = 3 })
	if !strings.Contains(d.Explain(), "3 pods wait for a node") {
		t.Errorf("said %q", d.Explain())
	}
}

// CPU saturates at 100 %, so an autoscaler on CPU grows by a factor at most; the
// offered load tells all at once.
func TestAJumpIsMetInOneStepFromOfferedLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 300)
	w.step(3000, nil)
	w.step(3000, nil)
	if w.size < 28 {
		t.Errorf("%d pods after four seconds of ten times the load", w.size)
	}
	if w.size > 60 {
		t.Errorf("%d pods: a step was taken for a ramp", w.size)
	}
}

// knative/serving#13284: while slow pods start, panic asks for more and more.
func TestPodsOnTheirWayAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *policy.Config) { c.Startup = 2 * time.Minute })
	w.startup = 60
	w.run(20*time.Minute, 300)
	for range 50 { // none is ready yet
		w.step(w.noisy(2000), nil)
	}
	if w.size > 40 {
		t.Errorf("%d pods asked for while the first are starting, for 2000/s", w.size)
	}
}

// knative/serving#4795: a restart forgot the state, 7 → 1 → 2 → 6 → 7.
func TestARestartChangesNothingByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(2*time.Hour, 1200)
	size := w.size
	stored, err := w.policy.State()
	if err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string][]byte{"restored": stored, "state lost": nil} {
		p, err := policy.New(w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if state != nil {
			if err := p.Restore(state); err != nil {
				t.Fatal(err)
			}
		}
		for range 30 {
			o := w.observe(w.noisy(1200))
			if d := p.Decide(o); d.Replicas < size || d.Replicas > size+2 {
				t.Errorf("%s: %d → %d: %s", name, size, d.Replicas, d.Explain())
				break
			}
		}
	}
}

func TestAStateThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, stored := range []string{"", "{}", `{"version":1}`, "\x00"} {
		if err := w.policy.Restore([]byte(stored)); err == nil {
			t.Errorf("%q was accepted", stored)
		}
	}
}

// knative/serving#3153, #9121: leaving panic undoes what was scaled up.
func TestAfterABurstTheSizeFollowsTheLoadAndDoesNotCollapse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 500)
	w.run(3*time.Minute, 3000)
	for range 300 {
		w.step(w.noisy(1500), nil)
		if w.size < 15 {
			t.Fatalf("%d pods with 1500/s after the burst", w.size)
		}
	}
}

// knative/serving#6743: noise or a single odd sample is no reason to panic.
func TestOneOddSampleChangesLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 1500)
	size := w.size
	d := w.step(1800, nil)
	if d.Replicas > size+4 {
		t.Errorf("%d → %d on one sample of 20 %% more", size, d.Replicas)
	}
}

func TestConstantLoadWithNoiseDoesNotOscillate(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{150, 290, 777, 1500, 4000} {
		w := newWorld(t, nil)
		w.run(2*time.Hour, rate)
		w.changes = 0
		w.run(24*time.Hour, rate)
		if w.changes > 12 {
			t.Errorf("%v/s: %d changes within a day of constant load", rate, w.changes)
		}
	}
}

func TestAnOutageBeforeUsKeepsTheSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(26*time.Hour, 1500)
	size := w.size
	d := w.run(20*time.Minute, 0)
	if d.Replicas < size*9/10 || d.Reason != policy.ReasonOutage {
		t.Errorf("%d of %d pods: %s", d.Replicas, size, d.Explain())
	}
	if d = w.run(40*time.Minute, 0); d.Replicas != w.cfg.Min {
		t.Errorf("%d pods an hour after the load went", d.Replicas)
	}
}

func TestWhatIsBehindLimitsTheSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *policy.Config) {
		c.Ceilings = []policy.Ceiling{{Pods: 10, Reason: "the database takes 100 connections, 10 of each pod"}}
	})
	d := w.run(5*time.Minute, 3000)
	if d.Replicas != 10 || !strings.Contains(d.Explain(), "but the database takes 100 connections") {
		t.Errorf("%d pods: %s", d.Replicas, d.Explain())
	}
}

func TestCapacityIsLearnedFromWhatPodsDo(t *testing.T) {
	t.Parallel()
	for _, prior := range []float64{30, 300} {
		w := newWorld(t, func(c *policy.Config) { c.PodRate = prior })
		d := w.run(30*time.Minute, 1500)
		if math.Abs(d.PodRate-100) > 3 {
			t.Errorf("told %v/s, learned %v/s, want 100/s", prior, d.PodRate)
		}
	}
}

func TestSlowAnswersCountForMoreThanIdleProcessors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 1500)
	before := w.size
	for range 200 {
		w.step(w.noisy(1500), func(o *policy.Observation) { o.P99 = 0.4 })
	}
	if w.size <= before {
		t.Errorf("%d pods, %d before answers became slow", w.size, before)
	}
}

func TestStartUpTimesAreLearned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(5*time.Minute, 300)
	d := w.run(5*time.Minute, 3000)
	if want := 20.0; math.Abs(d.Lead-2-want) > 2 {
		t.Errorf("lead %v s, want %v s and an interval", d.Lead, want)
	}
}

func TestADailyRhythmIsMetAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.startup = 30 // a minute
	rate := func(second int64) float64 {
		if second%3600 < 600 && second/3600%4 == 0 { // ten minutes, every four hours
			return 3000
		}
		return 500
	}
	for range 6 * 43200 {
		w.step(w.noisy(rate(w.second)), nil)
	}
	for rate(w.second+4) < 1000 {
		w.step(w.noisy(rate(w.second)), nil)
	}
	if ready := w.ready(); ready < 28 {
		t.Errorf("%d pods are ready when the sixth day's burst begins", ready)
	}
}

func TestTheExplanationSaysWhatItFollowsFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	d := w.run(10*time.Minute, 1500)
	for _, part := range []string{"stay at", "offered 1 ", "pod serves", "ready in"} {
		if !strings.Contains(d.Explain(), part) {
			t.Errorf("%q is not in %q", part, d.Explain())
		}
	}
}

// kubernetes/kubernetes#116984: a change of less than a tenth was tolerated,
// everywhere, although it took the service over its objective.
func TestARiseOfLessThanATenthIsFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 4000)
	before := w.size
	w.run(3*time.Minute, 4320)
	if grown := float64(w.size)/float64(before) - 1; grown < 0.04 || grown > 0.16 {
		t.Errorf("%d → %d pods for 8 %% more load", before, w.size)
	}
}

// kedacore/keda#7729: sizes followed a CPU target that nobody had configured.
func TestTheOfferedLoadDecidesWithAndWithoutCPU(t *testing.T) {
	t.Parallel()
	with, without := newWorld(t, nil), newWorld(t, nil)
	for range 600 {
		with.step(1500, nil)
		d := without.step(1500, func(o *policy.Observation) { o.Utilisation = -1 })
		if d.PodRate < 99 || d.PodRate > 101 {
			t.Fatalf("without CPU the rate of a pod is %v, and %v was configured", d.PodRate, without.cfg.PodRate)
		}
	}
	if with.size != without.size {
		t.Errorf("%d pods with CPU, %d without", with.size, without.size)
	}
}

// kedacore/keda#7981: a ramp and the stabilisation after it took longer than
// anybody could foretell.
func TestARampIsFollowedWithinTheLeadTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(20*time.Minute, 300)
	const ramp = 30 // intervals, a minute
	for i := range ramp {
		w.step(300+2700*float64(i)/ramp, nil)
	}
	const margin = 3 // intervals, to be sure of the end of the ramp
	for range w.startup + margin {
		w.step(3000, nil)
	}
	if ready := w.ready(); ready < 30 {
		t.Errorf("%d pods are ready for 3000/s, a lead time after the ramp", ready)
	}
}
