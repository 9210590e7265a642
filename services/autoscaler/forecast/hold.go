package forecast

import "math"

// Holds are for how many minutes a peak may be remembered when load falls.
var Holds = [holds]int{1, 5, 15, 60}

const holds = 4

// hold works out the peaks of the finished slots.
func (h *History) hold() {
	peak, from := 0., 1
	for i, minutes := range Holds {
		for back := from; back <= minutes*slotsAMinute; back++ {
			if p := float64(h.at(h.now - int64(back)).Peak); p > peak {
				peak = p
			}
		}
		h.past[i], from = peak, minutes*slotsAMinute+1
	}
}

// Held is the highest rate within the last Holds[i] minutes and the slot
// under way.
func (h *History) Held(i int) float64 { return max(h.past[i], h.peak) }

// Vanished tells what the load was before it all but vanished within the last
// minutes, if it had not done so within the day before: an outage before us,
// after which everybody comes back at once. ok is false when nothing of that
// kind is under way, or the hour before is not known.
func (h *History) Vanished(minutes int) (was float64, ok bool) {
	const gone, usual, known = 0.05, 0.1, 60 * slotsAMinute
	last := float64(h.at(h.now - 1).Mean)
	if math.IsNaN(last) {
		return 0, false
	}
	ago := int64(0)
	for back := int64(2); back <= int64(minutes*slotsAMinute)+1; back++ {
		if before := float64(h.at(h.now - back).Mean); before > was {
			was, ago = before, back
		}
	}
	if !(last < gone*was) || was < 1 {
		return 0, false
	}
	start := ago
	for start > 1 && float64(h.at(h.now-start+1).Mean) > usual*was {
		start--
	}
	least, seen := math.Inf(1), 0
	for back := start + 1; back <= start+slotsADay; back++ {
		if before := float64(h.at(h.now - back).Mean); !math.IsNaN(before) {
			least, seen = min(least, before), seen+1
		}
	}
	if seen < known || least < usual*was {
		return 0, false
	}
	return was, true
}
