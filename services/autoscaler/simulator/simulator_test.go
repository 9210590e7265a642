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

func TestATracesMistakesAreSaidWithTheirPlace(t *testing.T) {
	t.Parallel()
	for text, place := range map[string]string{
		"":                                               "line 1",
		"time,requests\n0,1\n":                           "line 1",
		"t_seconds,requests,x\n0,1,1\n":                  "line 1",
		"t_seconds,requests\n0,1\n":                      "two rows",
		"t_seconds,requests\n0,1\n1,x\n":                 "line 3: requests",
		"t_seconds,requests\n0,1\n\n1,\n":                "line 4: requests",
		"t_seconds,requests\n0,1\n1,-1\n":                "line 3: requests",
		"t_seconds,requests\n0,1\n1,NaN\n":               "line 3: requests",
		"t_seconds,requests\n0,1\n1,1e99\n":              "line 3: requests",
		"t_seconds,requests\nnoon,1\n":                   "line 2: t_seconds",
		"t_seconds,requests\n0,1\n1,1\n3,1\n":            "line 4: t_seconds",
		"t_seconds,requests\n0,1\n0,1\n":                 "line 3: t_seconds",
		"t_seconds,requests\n0,1\n0.5,1\n":               "line 3: t_seconds",
		"t_seconds,requests\n0,1,2\n":                    "line 2",
		"t_seconds,requests,enqueued\n0,1,2\n60,1,two\n": "line 3: enqueued",
		"\x00\xff\x13":                                   "line 1",
	} {
		_, err := simulator.ReadTrace("x", strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%q: %v, want %q to be named", text, err, place)
		}
	}
}

func TestATraceMayComeFromASpreadsheet(t *testing.T) {
	t.Parallel()
	trace, err := simulator.ReadTrace("x", strings.NewReader("\ufefft_seconds, requests, enqueued\r\n600, 1, 2\r\n660, 3, 4\r\n"))
	if err != nil || trace.Step != 60 || trace.Seconds() != 120 || trace.Enqueued[1] != 4 {
		t.Errorf("got %+v, %v", trace, err)
	}
}

func TestTheModelOfTheQueue(t *testing.T) {
	t.Parallel()
	s := simulator.DefaultSettings()
	s.Workload, s.ScoreFrom = simulator.Consumer, 0
	w, err := simulator.NewWorld(s)
	if err != nil {
		t.Fatal(err)
	}
	// Two pods apply 200 messages a second. In the first hour 150 a second come,
	// in the second 250, so that 50 a second stay and the oldest is older and older.
	trace := &simulator.Trace{Name: "x", Step: 3600, Enqueued: []float64{3600 * 150, 3600 * 250}}
	row, err := w.Run("fixed", simulator.DrawMessages(trace, 1), func(simulator.Settings) (simulator.Policy, error) { return fixed(2), nil }, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	// After t seconds of the second hour 50 t wait, which came in the last t/5.
	if want := 3600 - 5*30; math.Abs(float64(row.ViolationSeconds-want)) > 60 || row.Dropped != 0 || row.Workload != "consumer" {
		t.Errorf("got %+v, want about %d violation-seconds", row, want)
	}
}

func TestAConsumerDrainsWithinTheObjective(t *testing.T) {
	t.Parallel()
	s := simulator.DefaultSettings()
	s.Workload, s.ScoreFrom = simulator.Consumer, 24*time.Hour
	plan := simulator.Plan{
		Settings: s, Traces: []string{"diurnal", "spikes"}, Days: 3, Policies: []string{"trivet", "keda"},
		Seeds: []uint64{201}, Startups: []time.Duration{25 * time.Second}, Targets: []float64{0.7},
	}
	var rows []simulator.Row
	if err := plan.Run(t.Context(), time.Now, func(o simulator.Outcome) { rows = append(rows, o.Row) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range simulator.Compare("trivet", rows) {
		if c.ViolationSeconds > 0.5 || c.PodHours > 1.2 {
			t.Errorf("%+v\n%+v", c, rows)
		}
	}
	plan.Policies = []string{simulator.KPA}
	plan.Knative = func(simulator.Settings) (simulator.Policy, error) { return fixed(2), nil }
	if err := plan.Run(t.Context(), time.Now, func(simulator.Outcome) {}); err == nil {
		t.Error("Knative's autoscaler sizes a consumer")
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

func TestGeneratedTracesMayBeADayLong(t *testing.T) {
	t.Parallel()
	for _, name := range simulator.TraceNames() {
		for _, days := range []int{1, 2, 6} {
			if trace, err := simulator.Generate(name, days, 3); err != nil || trace.Seconds() != days*24*3600 {
				t.Errorf("%s of %d days: %v", name, days, err)
			}
		}
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
		if c.PodHours > 1.1 || c.ViolationSeconds > 0.5 && len(c.Worse) > 0 {
			t.Errorf("%+v", c)
		}
	}
	var page bytes.Buffer
	if err := simulator.WriteReport(&page, outcomes); err != nil || strings.Count(page.String(), "<svg") != 8 {
		t.Errorf("report: %v, %d plots, want 8", err, strings.Count(page.String(), "<svg"))
	}
}
