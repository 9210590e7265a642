package simulator

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Policies are those of this package that can size what answers requests, by
// name.
func Policies() Makers { return Makers{"trivet": Trivet, "hpa": HPA, "keda": KEDA} }

// PolicyNames are their names in the order in which they are shown.
func PolicyNames() []string { return []string{"trivet", "hpa", "keda"} }

// KPA is the name of Knative's autoscaler. It is Knative's own package, whose
// modules only the program that makes it needs: see Plan.
const KPA = "kpa"

// ConsumerPolicyNames are those that can size a consumer, in that order.
func ConsumerPolicyNames() []string { return []string{"trivet", "hpa", "keda"} }

// Plan is a set of runs: every policy on every trace, by every seed, start-up
// time and target.
type Plan struct {
	Settings Settings // of which Startup, Target and Seed are set by the lists
	Traces   []string // generated ones, by name
	Days     int      // of generated traces
	Recorded []*Trace
	Policies []string
	Knative  Maker // of KPA; nil where it is not linked
	Seeds    []uint64
	Startups []time.Duration
	Targets  []float64
	// ScoreAll lets a recorded trace that is not longer than Settings.ScoreFrom
	// count as a whole; else it is refused.
	ScoreAll bool
}

// Runs is how many there are.
func (p *Plan) Runs() int {
	return (len(p.Traces) + len(p.Recorded)) * len(p.Seeds) * len(p.Startups) * len(p.Targets) * len(p.Policies)
}

// Outcome is a run and, for the first seed and start-up time of each trace and
// one target, what happened over time.
type Outcome struct {
	Row    Row
	Series *Series
}

// Run runs everything, one after the other, and tells of each outcome.
func (p *Plan) Run(ctx context.Context, clock func() time.Time, tell func(Outcome)) error {
	makers := p.makers()
	for _, name := range p.Policies {
		if makers[name] == nil {
			return fmt.Errorf("no policy for a workload of this kind is called %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(makers)), ", "))
		}
	}
	for _, seed := range p.Seeds {
		for i := range len(p.Traces) + len(p.Recorded) {
			trace, err := p.trace(i, seed)
			if err != nil {
				return err
			}
			drawn := Draw
			if p.Settings.Workload == Consumer {
				drawn = DrawMessages
			}
			if err := p.runTrace(ctx, drawn(trace, seed), seed, makers, clock, tell); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Plan) makers() Makers {
	if p.Settings.Workload == Consumer {
		return ConsumerPolicies()
	}
	makers := Policies()
	if p.Knative != nil {
		makers[KPA] = p.Knative
	}
	return makers
}

func (p *Plan) trace(i int, seed uint64) (*Trace, error) {
	if i < len(p.Traces) {
		trace, err := Generate(p.Traces[i], p.Days, seed)
		if err == nil {
			trace.Enqueued = trace.Requests // whatever comes may be messages as well
		}
		return trace, err
	}
	trace := p.Recorded[i-len(p.Traces)]
	if p.Settings.Workload == Consumer && trace.Enqueued == nil {
		return nil, fmt.Errorf("trace %s has no column enqueued", trace.Name)
	}
	return trace, nil
}

func (p *Plan) runTrace(ctx context.Context, a *Arrivals, seed uint64, makers Makers, clock func() time.Time, tell func(Outcome)) error {
	from := p.Settings.ScoreFrom
	if length := time.Duration(a.Trace.Seconds()) * time.Second; from >= length && p.ScoreAll {
		from = 0
	} else if from >= length {
		return fmt.Errorf("trace %s is %v long, and scores only from %v on", a.Trace.Name, length, from)
	}
	for _, startup := range p.Startups {
		for _, target := range p.Targets {
			settings := p.Settings
			settings.Startup, settings.Target, settings.Seed, settings.ScoreFrom = startup, target, seed, from
			world, err := NewWorld(settings)
			if err != nil {
				return err
			}
			for _, name := range p.Policies {
				if err := ctx.Err(); err != nil {
					return err
				}
				var series *Series
				var record func(*View, second)
				if seed == p.Seeds[0] && startup == p.Startups[0] && target == p.shown() {
					series = newSeries(a.Trace.Seconds()-int(settings.ScoreFrom.Seconds()), settings)
					record = series.record
				}
				row, err := world.Run(name, a, makers[name], clock, record)
				if err != nil {
					return err
				}
				tell(Outcome{row, series})
			}
		}
	}
	return nil
}

// shown is the target whose runs are drawn over time.
func (p *Plan) shown() float64 {
	if slices.Contains(p.Targets, neutralTarget) {
		return neutralTarget
	}
	return p.Targets[0]
}

// Series is what happened over time, in parts of equal length.
type Series struct {
	PartSeconds int
	Load        []float64 // requests per second, mean
	Replicas    []float64 // mean
	P99         []float64 // milliseconds, the worst second
	Violations  []float64 // seconds

	seconds   int
	objective float64
}

// seriesParts is how many parts a plot has.
const seriesParts = 1008

func newSeries(seconds int, s Settings) *Series {
	part := max(1, int(math.Ceil(float64(seconds)/seriesParts)))
	if s.Workload == Consumer {
		return &Series{PartSeconds: part, objective: s.Drain.Seconds()}
	}
	return &Series{PartSeconds: part, objective: s.Objective.Seconds()}
}

func (s *Series) record(v *View, result second) {
	part := s.seconds / s.PartSeconds
	s.seconds++
	if part == len(s.Load) {
		s.Load, s.Replicas = append(s.Load, 0), append(s.Replicas, 0)
		s.P99, s.Violations = append(s.P99, 0), append(s.Violations, 0)
	}
	s.Load[part] += v.Arrivals / float64(s.PartSeconds)
	s.Replicas[part] += float64(v.Replicas) / float64(s.PartSeconds)
	s.P99[part] = max(s.P99[part], 1000*result.p99)
	if result.p99 > s.objective || result.dropped > 0 {
		s.Violations[part]++
	}
}

// Comparison is one policy beside another, over all runs that both made.
type Comparison struct {
	Policy, Peer     string
	Target           float64
	ViolationSeconds float64 `json:"violation_seconds_ratio"`
	PodHours         float64 `json:"pod_hours_ratio"`
	Changes          float64 `json:"changes_ratio"`
	// Worse are the runs in which the policy had more violation-seconds than
	// 1.1 times the peer's and 5, with 0.95 times its pod-hours or more.
	Worse []string `json:"worse,omitempty"`
}

// Compare puts a policy beside every other.
func Compare(policy string, rows []Row) []Comparison {
	type key struct {
		trace   string
		seed    uint64
		startup float64
		target  float64
	}
	of := func(r Row) key { return key{r.Trace, r.Seed, r.StartupSeconds, r.Target} }
	own := make(map[key]Row)
	for _, r := range rows {
		if r.Policy == policy {
			own[of(r)] = r
		}
	}
	var all []Comparison
	type sums struct{ violations, hours, changes [2]float64 }
	totals := make(map[[2]string]*sums)
	for _, r := range rows {
		mine, ok := own[of(r)]
		if r.Policy == policy || !ok {
			continue
		}
		id := [2]string{r.Policy, fmt.Sprint(r.Target)}
		if totals[id] == nil {
			totals[id] = new(sums)
			all = append(all, Comparison{Policy: policy, Peer: r.Policy, Target: r.Target})
		}
		t := totals[id]
		for i, row := range [...]Row{mine, r} {
			t.violations[i] += float64(row.ViolationSeconds)
			t.hours[i] += row.PodHours
			t.changes[i] += float64(row.Changes)
		}
		if float64(mine.ViolationSeconds) > 1.1*float64(r.ViolationSeconds)+5 && mine.PodHours >= 0.95*r.PodHours {
			c := &all[slices.IndexFunc(all, func(c Comparison) bool { return c.Peer == r.Policy && c.Target == r.Target })]
			c.Worse = append(c.Worse, fmt.Sprintf("%s, seed %d, start-up %.0f s: %d and %d s, %.0f and %.0f pod-hours",
				r.Trace, r.Seed, r.StartupSeconds, mine.ViolationSeconds, r.ViolationSeconds, mine.PodHours, r.PodHours))
		}
	}
	for i := range all {
		t := totals[[2]string{all[i].Peer, fmt.Sprint(all[i].Target)}]
		all[i].ViolationSeconds = ratio(t.violations)
		all[i].PodHours = ratio(t.hours)
		all[i].Changes = ratio(t.changes)
	}
	return all
}

// ratio is 1 where there is nothing on either side.
func ratio(sums [2]float64) float64 {
	if sums == [2]float64{} {
		return 1
	}
	return sums[0] / sums[1]
}
