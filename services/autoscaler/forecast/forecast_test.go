package forecast_test

import (
	"math"
	"testing"

	"github.com/trivetkv/trivet/services/autoscaler/forecast"
)

func TestAStepIsNoRamp(t *testing.T) {
	t.Parallel()
	step, ramp := forecast.NewRate(2), forecast.NewRate(2)
	for i := range 100 {
		step.Add(map[bool]float64{false: 1000, true: 3000}[i >= 90])
		ramp.Add(1000 + 20*float64(max(0, i-50)))
		if i >= 91 && step.Slope() != 0 {
			t.Errorf("a slope of %v, %d observations after a step", step.Slope(), i-90)
		}
	}
	if level := step.Level(); level < 2900 || level > 3000 {
		t.Errorf("level %v after a step to 3000", level)
	}
	if slope := ramp.Slope(); slope < 7 || slope > 10 {
		t.Errorf("slope %v/s² of a ramp of 10/s²", slope)
	}
	if trend := ramp.Trend(60); trend < 2300 || trend > 2700 {
		t.Errorf("%v expected in a minute, at 1980 and growing by 10/s²", trend)
	}
}

func TestPoissonArrivalsHaveADispersionOfOne(t *testing.T) {
	t.Parallel()
	r := forecast.NewRate(1)
	for i := range 10_000 {
		r.Add(1000 + 10*math.Sqrt2*math.Sin(float64(i*i))*math.Sqrt(10)) // variance 1000
	}
	if d := r.Dispersion(); d < 1 || d > 1.2 {
		t.Errorf("dispersion %v", d)
	}
}

const slotsADay = 24 * 3600 / forecast.SlotSeconds

// days adds days of a load that peaks at one slot of each.
func days(h *forecast.History, from, n int, at int64, base, peak float64) {
	for day := from; day < from+n; day++ {
		for slot := range int64(slotsADay) {
			rate := base
			if slot == at {
				rate = peak
			}
			h.Add(int64(day*slotsADay)+slot, rate, rate, 3)
		}
	}
}

func TestADailyPeakIsForetold(t *testing.T) {
	t.Parallel()
	h := forecast.NewHistory()
	days(h, 1, 4, 2000, 100, 900)
	for slot := range int64(1998) {
		h.Add(5*slotsADay+slot, 100, 100, 3)
	}
	if ahead := h.Ahead(forecast.Daily, 100); ahead < 850 {
		t.Errorf("%v expected just before the daily peak of 900", ahead)
	}
}

func TestWhatHappenedOnceIsNoRhythm(t *testing.T) {
	t.Parallel()
	h := forecast.NewHistory()
	days(h, 1, 2, -1, 100, 0)
	days(h, 3, 1, 2000, 100, 900)
	for slot := range int64(1999) {
		h.Add(4*slotsADay+slot, 100, 100, 3)
	}
	if ahead := h.Ahead(forecast.Daily, 100); ahead > 110 {
		t.Errorf("%v expected, a day after one peak", ahead)
	}
}

func TestAHistoryComesBackAsItWasStored(t *testing.T) {
	t.Parallel()
	h, again := forecast.NewHistory(), forecast.NewHistory()
	days(h, 1, 4, 2000, 100, 900)
	state := h.State()
	if len(state.Slots) > 100<<10 {
		t.Errorf("an even load takes %d bytes", len(state.Slots))
	}
	if err := again.Restore(state); err != nil {
		t.Fatal(err)
	}
	for slot := range int64(1998) {
		h.Add(5*slotsADay+slot, 100, 100, 3)
		again.Add(5*slotsADay+slot, 100, 100, 3)
	}
	if a, b := h.Ahead(forecast.Daily, 100), again.Ahead(forecast.Daily, 100); math.Abs(a/b-1) > 0.02 {
		t.Errorf("%v expected, and %v after a restart", a, b)
	}
	state.Slots = state.Slots[:10]
	if err := again.Restore(state); err == nil {
		t.Error("a history that was cut off is accepted")
	}
}
