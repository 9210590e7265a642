package policy

import (
	"math"

	"github.com/trivetkv/trivet/services/autoscaler/forecast"
)

const (
	// stepShare is the least change as a share of the size, so that a large
	// workload is not changed pod by pod.
	stepShare = 0.03
	// stepAgain is the same while the size has just grown.
	stepAgain = 0.1
	// slack is by how much more load the smaller size has to serve than there
	// is before it is taken.
	slack = 1.03
	// settle is for how many observations a smaller size has to be wanted, and
	// settleLong when it is smaller by less than largeShare.
	settle, settleLong = 15, 150
	largeShare         = 0.15
	// shrinkShare of the size is the most that goes within one settling time.
	shrinkShare = 0.5
	// drainSeconds is how soon a line of requests should be gone.
	drainSeconds = 30
)

// Policy decides for one workload that serves requests. It is not safe for
// concurrent use.
type Policy struct {
	cfg      Config
	interval float64

	capacity capacity
	lead     leadTime
	rate     *forecast.Rate
	history  *forecast.History
	tuner    *tuner
	plan     *staffing

	tick     int64
	seen     int       // observations with numbers since the start
	smaller  [2]lowest // negated sizes that would do, over settle and settleLong
	calm     int       // observations since the last change or gap
	enough   [2]int
	vanished float64    // load before an outage that is under way; 0: none
	held     float64    // what the chosen stance provides for
	parts    [3]float64 // level, trend, and rhythm behind it
}

// New makes a policy that has learned nothing.
func New(cfg Config) (*Policy, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	p := &Policy{
		cfg:      cfg,
		interval: cfg.Interval.Seconds(),
		capacity: capacity{Rate: cfg.PodRate, Efficiency: 1},
		rate:     forecast.NewRate(cfg.Interval.Seconds()),
		history:  forecast.NewHistory(),
		tuner:    newTuner(),
	}
	p.replan()
	return p, nil
}

// replan works out the plan anew when the capacity of a pod has changed.
func (p *Policy) replan() {
	if rate := p.capacity.effective(); p.plan == nil || p.plan.rate != rate {
		p.plan = newStaffing(rate, p.cfg.Objective.Seconds())
	}
}

// Decide takes an observation and gives the size that follows. Observations
// come once an interval.
func (p *Policy) Decide(o *Observation) Decision {
	p.tick++
	p.lead.observe(o.Started)
	lead := p.lead.seconds(p.cfg.Startup) + p.interval
	d := Decision{From: o.Replicas, Ready: o.Ready, Scraped: o.Scraped, Lead: lead, Unschedulable: o.Unschedulable}
	most, reason := p.cfg.most()

	if o.Scraped == 0 {
		// Blind: nothing is learned, nothing shrinks, nothing grows.
		p.calm = 0
		d.Replicas, d.Wanted, d.Reason, d.PodRate = clamp(o.Replicas, p.cfg.Min, most), o.Replicas, ReasonBlind, p.plan.rate
		return d
	}
	p.learn(o, lead, most)
	d.Offered, d.PodRate = p.rate.Level(), p.plan.rate
	p.explainStance(&d)

	enough := p.plan.pods(p.provide(p.held*slack), math.MaxInt32)
	for i, window := range [...]int{settle, settleLong} {
		p.enough[i] = -p.smaller[i].add(p.tick, -enough, window)
	}
	wanted := p.plan.pods(p.provide(p.held), math.MaxInt32)
	d.Wanted = wanted
	size := clamp(wanted, p.cfg.Min, most)
	switch {
	case size > o.Replicas:
		size = clamp(max(size, o.Replicas+p.stepUp(o.Replicas)), p.cfg.Min, most)
	case size < o.Replicas:
		size = p.shrink(o, &d, most)
	}
	if wanted > most && size >= most {
		d.Limit = reason
	}
	d.Replicas = size
	if size != o.Replicas {
		p.calm = 0
	} else {
		p.calm++
	}
	return d
}

// learn takes what an observation says about pods and load.
func (p *Policy) learn(o *Observation, lead float64, most int) {
	offered := o.Offered
	if o.Scraped < o.Ready {
		// The pods that said nothing are taken to be like the others.
		offered *= float64(o.Ready) / float64(o.Scraped)
	} else {
		p.capacity.observe(o, &p.cfg, p.plan.limit)
		p.replan()
	}
	p.seen++
	p.rate.Add(offered)
	level := p.rate.Level()
	ahead := 1 + int(lead/forecast.SlotSeconds)
	if p.history.Add(o.Seconds/forecast.SlotSeconds, offered, p.rate.Peak(), ahead) {
		p.tuner.choose(math.Exp2(-forecast.SlotSeconds / halfLife))
		p.observeOutage()
	}
	trend := p.rate.Trend(lead)
	var rhythms [forecast.Rhythms]float64
	for r := range rhythms {
		rhythms[r] = max(trend, p.history.Ahead(forecast.Rhythm(r), level))
	}
	var held [len(forecast.Holds)]float64
	for i := range held {
		held[i] = p.history.Held(i)
	}
	dispersion := p.rate.Dispersion()
	demand := func(s *stance) float64 {
		rate := max(rhythms[s.rhythm], held[s.hold]) * (1 + s.headroom)
		return withNoise(rate, dispersion)
	}
	p.tuner.tune(p.tick, int(math.Ceil(lead/p.interval)), offered, p.interval, prices{p.cfg.MissCost, p.cfg.ChangeCost}, p.plan, max(p.cfg.Min, 1), most, demand)
	s := p.tuner.stance()
	p.parts = [3]float64{level, trend, rhythms[s.rhythm]}
	p.held = max(rhythms[s.rhythm], held[s.hold], p.vanished) + o.Waiting/drainSeconds
}

// observeOutage looks now and then whether the load has vanished.
func (p *Policy) observeOutage() {
	was, ok := p.history.Vanished(int(p.cfg.OutageHold.Minutes()))
	p.vanished = 0
	if ok {
		p.vanished = was
	}
}

// provide is the load to have pods for when rate is expected.
func (p *Policy) provide(rate float64) float64 {
	rate *= (1 + p.tuner.stance().headroom) * p.cfg.Margin
	return withNoise(rate, p.rate.Dispersion())
}

// explainStance fills in what the size follows from.
func (p *Policy) explainStance(d *Decision) {
	s := p.tuner.stance()
	d.Headroom, d.Hold, d.Rhythm, d.Trust = s.headroom, s.holdMinutes(), s.rhythm.String(), p.history.Confidence(s.rhythm)
	d.Expected = p.held
	level, trend, rhythm := p.parts[0], p.parts[1], p.parts[2]
	switch {
	case p.vanished > 0 && p.held <= p.vanished*1.01:
		d.Reason = ReasonOutage
	case rhythm > trend && rhythm >= p.held*0.99:
		d.Reason = ReasonRhythm
	case trend > level*1.01 && trend >= p.held*0.99:
		d.Reason = ReasonTrend
	case p.held > level*1.02:
		d.Reason = ReasonHeld
	default:
		d.Reason = ReasonLoad
	}
}

// step is the least change of a size.
func (p *Policy) step(size int) int { return max(1, int(math.Round(stepShare*float64(size)))) }

// stepUp is the least growth. Growing on the heels of another growth goes in
// larger steps, so that a rise takes few.
func (p *Policy) stepUp(size int) int {
	if p.calm < settle {
		return max(p.step(size), int(math.Ceil(stepAgain*float64(size))))
	}
	return p.step(size)
}

// shrink gives the size to go down to: what has been enough for a while, in
// steps, and never on numbers that are missing.
func (p *Policy) shrink(o *Observation, d *Decision, most int) int {
	stay := min(o.Replicas, most)
	if !o.Complete() {
		d.Reason = ReasonBlind
		return stay
	}
	if p.seen < settle {
		d.Reason = ReasonStarting
		return stay
	}
	if p.calm < settle {
		return stay
	}
	size := clamp(p.enough[0], p.cfg.Min, most)
	if float64(size) > (1-largeShare)*float64(stay) {
		size = clamp(p.enough[1], p.cfg.Min, most)
	}
	size = max(size, int(math.Ceil(shrinkShare*float64(stay))))
	if stay-size < p.step(stay) && size > p.cfg.Min {
		return stay
	}
	return min(size, stay)
}

func clamp(n, least, most int) int { return max(min(n, most), least) }
