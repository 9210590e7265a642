package simulator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	secondsADay  = 24 * 3600
	secondsAWeek = 7 * secondsADay
)

// generator draws a trace of requests per second; it gets the seconds and a
// source of randomness, from which every size, time and duration is drawn.
type generator func(seconds int, random *rand.Rand) []float64

var generators = map[string]generator{
	"diurnal":     diurnal,
	"spikes":      spikes,
	"bursts":      bursts,
	"timers":      timers,
	"flash-crowd": flashCrowd,
	"slow-growth": slowGrowth,
	"outage":      outage,
	"weekly":      weekly,
}

// TraceNames are the names of the generated traces.
func TraceNames() []string {
	names := make([]string, 0, len(generators))
	for name := range generators {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Generate draws a trace of some days, by its name and a seed.
func Generate(name string, days int, seed uint64) (*Trace, error) {
	generate, ok := generators[name]
	if !ok {
		return nil, fmt.Errorf("no trace is called %q; there are %s", name, strings.Join(TraceNames(), ", "))
	}
	random := rand.New(rand.NewPCG(seed, hash(name))) //nolint:gosec // it has to be the same for a seed
	return &Trace{Name: name, Step: 1, Requests: generate(days*secondsADay, random)}, nil
}

// hash tells the streams of different traces apart (FNV-1a).
func hash(text string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(text) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

func between(random *rand.Rand, low, high float64) float64 { return low + (high-low)*random.Float64() }

// logBetween draws with equal weight to each order of magnitude.
func logBetween(random *rand.Rand, low, high float64) float64 {
	return math.Exp(between(random, math.Log(low), math.Log(high)))
}

// day is the shape of a day, from 0 at night to 1 at its busiest hour, with a
// second, smaller hump in the evening.
type day struct{ peak, evening, sharpness float64 }

func newDay(random *rand.Rand) day {
	return day{peak: between(random, 10, 15), evening: between(random, 0.3, 0.9), sharpness: between(random, 1, 2.5)}
}

func (d day) at(second int) float64 {
	hour := float64(second%secondsADay) / 3600
	hump := func(centre float64) float64 {
		return math.Exp(d.sharpness * (math.Cos(2*math.Pi*(hour-centre)/24) - 1) * 2)
	}
	return min(1, hump(d.peak)+d.evening*hump(d.peak+8))
}

// wander multiplies by a slow random walk around 1, which no day repeats.
func wander(rates []float64, random *rand.Rand) []float64 {
	const correlation, deviation = 3600.0, 0.05 // seconds; share of the load
	x, keep := 0., math.Exp(-60/correlation)
	for t := range rates {
		if t%60 == 0 {
			x = keep*x + math.Sqrt(1-keep*keep)*deviation*random.NormFloat64()
		}
		rates[t] *= math.Exp(x)
	}
	return rates
}

// diurnal is a service whose users sleep at night.
func diurnal(seconds int, random *rand.Rand) []float64 {
	shape, low := newDay(random), between(random, 80, 400)
	high := low * between(random, 3, 10)
	rates := make([]float64, seconds)
	for t := range rates {
		rates[t] = low + (high-low)*shape.at(t)
	}
	return wander(rates, random)
}

// weekly has quiet weekends, and one holiday on a working day of the last week.
func weekly(seconds int, random *rand.Rand) []float64 {
	shape, low := newDay(random), between(random, 80, 300)
	high := low * between(random, 4, 10)
	weekend, quiet := between(random, 0.2, 0.6), between(random, 0.1, 0.3)
	holiday := seconds/secondsADay - 7 + random.IntN(5)
	rates := make([]float64, seconds)
	for t := range rates {
		share := shape.at(t)
		switch today := t / secondsADay; {
		case today == holiday:
			share *= quiet
		case today%7 >= 5:
			share *= weekend
		}
		rates[t] = low + (high-low)*share
	}
	return wander(rates, random)
}

// spikes are events of the kind that Bodík et al. describe (Characterizing,
// modeling, and generating workload spikes, 2010): at random times the load
// rises within minutes to a multiple, stays for a while, and decays.
func spikes(seconds int, random *rand.Rand) []float64 {
	shape, base := newDay(random), between(random, 200, 600)
	rates := make([]float64, seconds)
	for t := range rates {
		rates[t] = base * (0.6 + 0.8*shape.at(t))
	}
	perDay := between(random, 1, 4)
	for t := 0; t < seconds; {
		t += int(random.ExpFloat64() / perDay * secondsADay)
		rise, flat := logBetween(random, 60, 900), logBetween(random, 60, 1800)
		decay, height := logBetween(random, 300, 3600), logBetween(random, 0.5, 4)*base
		for s := 0; s < int(rise+flat+6*decay) && t+s < seconds; s++ {
			level := 1.
			switch x := float64(s); {
			case x < rise:
				level = x / rise
			case x > rise+flat:
				level = math.Exp(-(x - rise - flat) / decay)
			}
			rates[t+s] += height * level
		}
	}
	return wander(rates, random)
}

// bursts come from a Markov-modulated Poisson process with three states.
func bursts(seconds int, random *rand.Rand) []float64 {
	base := between(random, 150, 500)
	levels := [...]float64{base, base * between(random, 1.5, 2.5), base * between(random, 3, 5)}
	stays := [...]float64{logBetween(random, 300, 3600), logBetween(random, 60, 900), logBetween(random, 20, 300)}
	rates := make([]float64, seconds)
	state, until := 0, 0.
	for t := range rates {
		for float64(t) >= until {
			state = (state + 1 + random.IntN(2)) % 3
			until += random.ExpFloat64() * stays[state]
		}
		rates[t] = levels[state]
	}
	return rates
}

// timers add to a base the work that clocks start: each has its period, its
// phase, and its burst.
func timers(seconds int, random *rand.Rand) []float64 {
	base := between(random, 200, 600)
	rates := make([]float64, seconds)
	for t := range rates {
		rates[t] = base
	}
	for range 2 + random.IntN(3) {
		period := [...]int{300, 900, 1800, 3600, 6 * 3600, secondsADay}[random.IntN(6)]
		phase, length := random.IntN(period), int(min(logBetween(random, 15, 600), float64(period)/3))
		height := base * between(random, 0.5, 3)
		for start := phase; start < seconds; start += period {
			// Clocks are not quite in step.
			from := start + random.IntN(6)
			for t := from; t < min(from+length, seconds); t++ {
				rates[t] += height
			}
		}
	}
	return wander(rates, random)
}

// inTheLastWeek is a second of a trace's last week, or of all of a shorter one,
// with a day behind it if there is one.
func inTheLastWeek(seconds int, random *rand.Rand) int {
	week := min(seconds, secondsAWeek)
	return seconds - week + random.IntN(max(1, week-secondsADay))
}

// flashCrowd is a quiet service that something makes known, a few times in the
// weeks: within seconds to a minute the load is many times what it was.
func flashCrowd(seconds int, random *rand.Rand) []float64 {
	shape, base := newDay(random), between(random, 150, 400)
	rates := make([]float64, seconds)
	for t := range rates {
		rates[t] = base * (0.7 + 0.6*shape.at(t))
	}
	crowd := func(at int) {
		rise, decay := logBetween(random, 5, 120), logBetween(random, 900, 5400)
		height := base * between(random, 3, 10)
		for s := 0; s < int(6*decay) && at+s < seconds; s++ {
			rates[at+s] += height * min(1, float64(s)/rise) * math.Exp(-max(0, float64(s)-rise)/decay)
		}
	}
	crowd(seconds/3 + random.IntN(max(1, seconds/6)))
	crowd(inTheLastWeek(seconds, random))
	crowd(inTheLastWeek(seconds, random))
	return wander(rates, random)
}

// slowGrowth gains users day by day.
func slowGrowth(seconds int, random *rand.Rand) []float64 {
	shape, base := newDay(random), between(random, 200, 500)
	growth := between(random, 1.5, 4)
	rates := make([]float64, seconds)
	for t := range rates {
		rates[t] = base * math.Pow(growth, float64(t)/float64(seconds)) * (0.5 + shape.at(t))
	}
	return wander(rates, random)
}

// outage loses all load to a fault before it, some times; then everybody comes
// back at once, and tries again what failed.
func outage(seconds int, random *rand.Rand) []float64 {
	shape, base := newDay(random), between(random, 300, 900)
	rates := make([]float64, seconds)
	for t := range rates {
		rates[t] = base * (0.5 + shape.at(t))
	}
	wander(rates, random)
	fail := func(at int) {
		length, surge := int(logBetween(random, 120, 3600)), between(random, 1.2, 2)
		settle := logBetween(random, 60, 600)
		for s := 0; s < length && at+s < seconds; s++ {
			rates[at+s] *= 0.01
		}
		for s := 0; s < int(6*settle) && at+length+s < seconds; s++ {
			rates[at+length+s] *= 1 + (surge-1)*math.Exp(-float64(s)/settle)
		}
	}
	fail(random.IntN(max(1, seconds/2)))
	for range 3 {
		fail(inTheLastWeek(seconds, random))
	}
	return rates
}
