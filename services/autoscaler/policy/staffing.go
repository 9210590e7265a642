package policy

import (
	"math"

	"github.com/trivetkv/trivet/services/autoscaler/queueing"
)

// objectiveShare of the requests have to meet the objective.
const objectiveShare = 0.99

// noiseDeviations is for how many standard deviations of a second's count there
// has to be room: one second in seventy is beyond
// where there is no other room, which there mostly is: pods come whole, and the
// highest of the last minutes counts.
const noiseDeviations = 2.2

// staffing knows which rate a number of pods serves within the objective. It is
// the exact form of the square-root rule: pods = load + β√load, where β follows
// from the objective and from how bursty arrivals are.
type staffing struct {
	rate, objective float64
	limits          []float64 // by number of pods, as far as they were needed
}

func newStaffing(rate, objective float64) *staffing {
	return &staffing{rate: rate, objective: objective, limits: []float64{0}}
}

// limit is the rate that pods serve within the objective.
func (s *staffing) limit(pods int) float64 {
	for n := len(s.limits); n <= pods; n++ {
		limit := queueing.Limit(n, s.rate, s.objective, objectiveShare)
		if limit == 0 {
			// Even an idle pod misses the objective: then all that size can do
			// is to keep the line short.
			limit = 0.7 * s.rate * float64(n)
		}
		s.limits = append(s.limits, limit)
	}
	return s.limits[pods]
}

// pods is the smallest number, from 1 to most, that serves a rate.
func (s *staffing) pods(rate float64, most int) int {
	n := min(max(1, int(rate/s.rate)), most)
	for n < most && s.limit(n) < rate {
		n++
	}
	for n > 1 && s.limit(n-1) >= rate {
		n--
	}
	return n
}

// withNoise is a rate with room for the noise of its counts.
func withNoise(rate, dispersion float64) float64 {
	return rate + noiseDeviations*math.Sqrt(rate*dispersion)
}
