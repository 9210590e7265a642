package policy

import (
	"slices"
	"time"
)

// leadTime learns how long pods need until they are ready.
type leadTime struct {
	// Recent start-up times in seconds, the newest last.
	Recent []float64 `json:"recent"`

	sorted []float64
}

const leadTimesKept = 31

func (l *leadTime) observe(started []time.Duration) {
	if len(started) == 0 {
		return
	}
	for _, d := range started {
		l.Recent = append(l.Recent, d.Seconds())
	}
	if extra := len(l.Recent) - leadTimesKept; extra > 0 {
		l.Recent = slices.Delete(l.Recent, 0, extra)
	}
	l.sort()
}

func (l *leadTime) sort() {
	l.sorted = append(l.sorted[:0], l.Recent...)
	slices.Sort(l.sorted)
}

// seconds is the time within which four of five pods were ready, or what is
// assumed.
func (l *leadTime) seconds(assumed time.Duration) float64 {
	if len(l.sorted) == 0 {
		return assumed.Seconds()
	}
	return l.sorted[(len(l.sorted)-1)*4/5]
}
