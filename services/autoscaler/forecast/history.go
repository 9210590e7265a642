package forecast

import "math"

// SlotSeconds is the grain of the history: shorter than the bursts of most
// timers, long enough that two weeks fit into a ConfigMap.
const SlotSeconds = 20

const (
	slotsAMinute = 60 / SlotSeconds
	slotsADay    = 24 * 60 * slotsAMinute
	slotsAWeek   = 7 * slotsADay

	// historySlots is how far back the history goes: two weeks and a day.
	historySlots = 15 * slotsADay
)

// Bounds of the factor between a day and its predecessors: with less, today is
// not a day like them.
const (
	levelSlots  = 30 * slotsAMinute
	leastFactor = 0.2
	mostFactor  = 1.6
)

// Rhythm is a period after which the load repeats itself.
type Rhythm int

// Rhythms.
const (
	None Rhythm = iota
	Daily
	Weekly
	Rhythms = iota
)

func (r Rhythm) String() string { return [...]string{"none", "daily", "weekly"}[r] }

// slot is what is kept of one: mean rate, and the highest rate over some ten
// seconds of it. NaN where nothing was observed.
type slot struct{ Mean, Peak float32 }

// season is how well a rhythm has been predicting.
type season struct {
	factor float64 // of now to the days or weeks before
	err    float64 // mean relative error of the last hour
	ahead  float64 // peak expected over the slots ahead; NaN: unknown
}

// History remembers the load of two weeks and what can be expected from it. It
// knows no clock: slots are numbered by the caller, and slots a day or week
// apart have to have the same time of day.
type History struct {
	slots   [historySlots]slot
	now     int64 // the slot under way; 0: none yet
	count   int   // observations in it
	sum     float64
	peak    float64
	seasons [Rhythms]season
	past    [holds]float64 // peak of the finished slots of each hold
}

// NewHistory makes an empty history.
func NewHistory() *History {
	h := &History{}
	for i := range h.slots {
		h.slots[i] = missing
	}
	for i := range h.seasons {
		h.seasons[i] = season{factor: 1, err: 1, ahead: math.NaN()}
	}
	return h
}

var missing = slot{float32(math.NaN()), float32(math.NaN())}

func (h *History) at(m int64) slot {
	if m < 0 {
		return missing
	}
	return h.slots[m%historySlots]
}

// Add takes an observation of the slot m: the rate of the last observation, and
// the level of about ten seconds. ahead is for how many slots beyond m a
// forecast is wanted. It tells whether a new slot began.
func (h *History) Add(m int64, rate, level float64, ahead int) bool {
	began := m != h.now
	if began {
		h.roll(m, ahead)
	}
	h.count++
	h.sum += rate
	h.peak = max(h.peak, level)
	return began
}

// roll ends the slot under way and begins m.
func (h *History) roll(m int64, ahead int) {
	if h.count > 0 && m > h.now {
		h.slots[h.now%historySlots] = slot{float32(h.sum / float64(h.count)), float32(h.peak)}
		h.learn()
	}
	// What was not observed is unknown, not what it was two weeks ago.
	for skipped := max(h.now+1, m-historySlots); skipped <= m; skipped++ {
		h.slots[skipped%historySlots] = missing
	}
	h.now, h.count, h.sum, h.peak = m, 0, 0, 0
	h.hold()
	for r := Daily; r < Rhythms; r++ {
		h.expect(r, ahead)
	}
}

// learn compares what the rhythms said of the slot that ended with what it was.
func (h *History) learn() {
	const weight = 1. / (60 * slotsAMinute)
	actual := float64(h.at(h.now).Peak)
	for r := Daily; r < Rhythms; r++ {
		s := &h.seasons[r]
		_, before := h.before(r, h.now)
		if math.IsNaN(before) {
			continue
		}
		wrong := math.Abs(s.factor*before-actual) / max(actual, 1)
		s.err += weight * (min(wrong, 2) - s.err)
	}
}

// before gives mean and peak that a rhythm knows for a slot. What happened
// once is not a rhythm: of three days the second highest counts, of two weeks
// the lower.
func (h *History) before(r Rhythm, m int64) (mean, peak float64) {
	if r == Weekly {
		one, two := h.at(m-slotsAWeek), h.at(m-2*slotsAWeek)
		if math.IsNaN(float64(two.Mean)) {
			return float64(one.Mean), float64(one.Peak)
		}
		if math.IsNaN(float64(one.Mean)) {
			return float64(two.Mean), float64(two.Peak)
		}
		return float64(min(one.Mean, two.Mean)), float64(min(one.Peak, two.Peak))
	}
	one, two, three := h.at(m-slotsADay), h.at(m-2*slotsADay), h.at(m-3*slotsADay)
	return second(one.Mean, two.Mean, three.Mean), second(one.Peak, two.Peak, three.Peak)
}

// second is the second highest of three; of two the lower; the only one.
func second(a, b, c float32) float64 {
	high, middle := math.Inf(-1), math.Inf(-1)
	for _, v := range [...]float32{a, b, c} {
		switch x := float64(v); {
		case math.IsNaN(x):
		case x > high:
			high, middle = x, high
		case x > middle:
			middle = x
		}
	}
	if math.IsInf(high, -1) {
		return math.NaN()
	}
	if math.IsInf(middle, -1) {
		return high
	}
	return middle
}

// expect works out a rhythm's forecast for the slots from the last one on: clocks are
// not quite in step.
func (h *History) expect(r Rhythm, ahead int) {
	s := &h.seasons[r]
	var now, before float64
	for m := h.now - levelSlots; m < h.now; m++ {
		mean, _ := h.before(r, m)
		if actual := float64(h.at(m).Mean); !math.IsNaN(mean) && !math.IsNaN(actual) {
			now, before = now+actual, before+mean
		}
	}
	s.factor = 1
	if before > 0 {
		s.factor = min(max(now/before, leastFactor), mostFactor)
	}
	s.ahead = math.NaN()
	for m := h.now - 1; m <= h.now+int64(ahead); m++ {
		if _, peak := h.before(r, m); !math.IsNaN(peak) && !(peak <= s.ahead) {
			s.ahead = peak
		}
	}
}

// Confidence in a rhythm, from 0 to 1, by how well it foretold the last hour.
func (h *History) Confidence(r Rhythm) float64 {
	const trusted, useless = 0.1, 0.5
	if r == None {
		return 0
	}
	return min(1, max(0, (useless-h.seasons[r].err)/(useless-trusted)))
}

// Ahead is the peak that a rhythm expects within the slots ahead, at the
// level of today. It is now's rate where the rhythm expects less, knows
// nothing, or was wrong lately: an unusual day is left to reaction.
func (h *History) Ahead(r Rhythm, now float64) float64 {
	s := &h.seasons[r]
	peak := s.factor * s.ahead
	if r == None || !(peak > now) {
		return now
	}
	return now + h.Confidence(r)*(peak-now)
}
