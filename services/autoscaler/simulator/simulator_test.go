package simulator_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

func TestATraceIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	trace := &simulator.Trace{Name: "x", Step: 60, Requests: []float64{1, 2.5, 0}, Enqueued: []float64{0, 1, 2}}
	var file bytes.Buffer
	if err := trace.Write(&file); err != nil {
		t.Fatal(err)
	}
	got, err := simulator.ReadTrace("x", &file)
	if err != nil || got.Step != 60 || got.Seconds() != 180 || got.Requests[1] != 2.5 || got.Enqueued[2] != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATracesMistakesAreSaid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "time,requests\n0,1\n", "t_seconds,requests\n0,1\n", "t_seconds,requests\n0,1\n1,x\n", "t_seconds,requests\n0,1\n1,-1\n",
		"t_seconds,requests\n0,1\n1,1\n3,1\n", "t_seconds,requests\n0,1\n0,1\n", "t_seconds,requests\n0,1\n0.5,1\n", "t_seconds,requests\n0,1,2\n",
	} {
		if _, err := simulator.ReadTrace("x", strings.NewReader(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestGeneratedTracesAreTheSameForASeedAndDifferForAnother(t *testing.T) {
	t.Parallel()
	for _, name := range simulator.TraceNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum := func(seed uint64) float64 {
				trace, err := simulator.Generate(name, 15, seed)
				if err != nil {
					t.Fatal(err)
				}
				total := 0.
				for _, r := range trace.Requests {
					if !(r >= 0) || math.IsInf(r, 0) {
						t.Fatalf("a rate of %v", r)
					}
					total += r
				}
				return total
			}
			if sum(1) != sum(1) || sum(1) == sum(2) {
				t.Error("the seed does not decide the trace")
			}
		})
	}
}

// fixed keeps a size.
type fixed int

func (f fixed) Step(*simulator.View) int { return int(f) }

func run(t *testing.T, rate float64, pods int) simulator.Row {
	t.Helper()
	s := simulator.DefaultSettings()
	s.Min, s.ScoreFrom = pods, 0
	w, err := simulator.NewWorld(s)
	if err != nil {
		t.Fatal(err)
	}
	trace := &simulator.Trace{Name: "constant", Step: 3600, Requests: []float64{3600 * rate, 3600 * rate}}
	row, err := w.Run("fixed", simulator.Draw(trace, 1), func(simulator.Settings) (simulator.Policy, error) { return fixed(pods), nil }, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestTheModelOfThePods(t *testing.T) {
	t.Parallel()
	idle := run(t, 100, 10)
	if idle.ViolationSeconds != 0 || idle.Dropped != 0 || idle.P99 > 50 || math.Abs(idle.PodHours-20) > 1e-9 {
		t.Errorf("at a tenth of the capacity: %+v", idle)
	}
	over := run(t, 1500, 10)
	// A third of what comes cannot be served; the backlog is two seconds long.
	if over.ViolationSeconds < 7190 || math.Abs(over.Dropped/(500*7200)-1) > 0.02 || over.P99 < 1990 {
		t.Errorf("at one and a half times the capacity: %+v", over)
	}
}

func TestArrivalsArePoisson(t *testing.T) {
	t.Parallel()
	for _, mean := range []float64{0.5, 4, 30, 2000} {
		trace := &simulator.Trace{Step: 1, Requests: make([]float64, 100_000)}
		for i := range trace.Requests {
			trace.Requests[i] = mean
		}
		var n, sum, squares float64
		for _, count := range simulator.Draw(trace, 7).Counts() {
			x := float64(count)
			n, sum, squares = n+1, sum+x, squares+x*x
		}
		got, variance := sum/n, squares/n-sum*sum/n/n
		if math.Abs(got/mean-1) > 0.02 || math.Abs(variance/mean-1) > 0.04 {
			t.Errorf("mean %v: got mean %v and variance %v", mean, got, variance)
		}
	}
}

// Two days of training and one scored, of the kinds of load that people have
// most: the whole judgement is `make simulate`.
func TestTheServicesPolicyIsAheadOfTheOthers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	s := simulator.DefaultSettings()
	s.ScoreFrom = 2 * 24 * time.Hour
	plan := simulator.Plan{
		Settings: s, Traces: []string{"diurnal", "timers"}, Days: 3, Policies: simulator.PolicyNames(),
		Seeds: []uint64{201, 202}, Startups: []time.Duration{25 * time.Second}, Targets: []float64{0.7},
	}
	var rows []simulator.Row
	var outcomes []simulator.Outcome
	if err := plan.Run(t.Context(), time.Now, func(o simulator.Outcome) {
		rows, outcomes = append(rows, o.Row), append(outcomes, o)
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range simulator.Compare("trivet", rows) {
		if c.PodHours > 1.1 || c.Peer != "kpa" && c.ViolationSeconds > 0.5 && len(c.Worse) > 0 {
			t.Errorf("%+v", c)
		}
	}
	var page bytes.Buffer
	if err := simulator.WriteReport(&page, outcomes); err != nil || strings.Count(page.String(), "<svg") != 8 {
		t.Errorf("report: %v, %d plots, want 8", err, strings.Count(page.String(), "<svg"))
	}
}
