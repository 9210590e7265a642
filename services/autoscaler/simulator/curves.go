package simulator

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// point is what a policy did at a target, over all traces and seeds.
type point struct {
	target, podHours, violations float64
}

// curves draws, for each start-up time, violation-seconds over pod-hours, one
// curve for each policy along its targets. Rows of one target have none.
func curves(rows []Row) []template.HTML {
	var (
		startups []float64
		policies []string
		sums     = make(map[float64]map[string][]point)
	)
	targets := make(map[float64]bool)
	for i := range rows {
		r := &rows[i]
		targets[r.Target] = true
		if sums[r.StartupSeconds] == nil {
			startups, sums[r.StartupSeconds] = append(startups, r.StartupSeconds), make(map[string][]point)
		}
		if !slices.Contains(policies, r.Policy) {
			policies = append(policies, r.Policy)
		}
		of := sums[r.StartupSeconds]
		at := slices.IndexFunc(of[r.Policy], func(p point) bool { return p.target == r.Target })
		if at < 0 {
			at = len(of[r.Policy])
			of[r.Policy] = append(of[r.Policy], point{target: r.Target})
		}
		of[r.Policy][at].podHours += r.PodHours
		of[r.Policy][at].violations += float64(r.ViolationSeconds)
	}
	if len(targets) < 2 {
		return nil
	}
	var plots []template.HTML
	for _, startup := range startups {
		plots = append(plots, curvePlot(fmt.Sprintf("violation-seconds over pod-hours, start-up %g s", startup), policies, sums[startup]))
	}
	return plots
}

// curveHeight is that of a plot of curves.
const curveHeight = 360

// curvePlot has logarithmic axes: policies differ by factors.
func curvePlot(title string, policies []string, of map[string][]point) template.HTML {
	x, y := newAxis(), newAxis()
	for _, points := range of {
		for _, p := range points {
			x.cover(p.podHours)
			y.cover(p.violations)
		}
	}
	width, height := float64(plotWidth-plotLeft-plotRight), float64(curveHeight-plotTop-2*plotBelow)
	var svg strings.Builder
	beginPlot(&svg, title, curveHeight)
	for _, v := range y.ticks() {
		gridLine(&svg, plotTop+height*(1-y.at(v)), short(v))
	}
	for _, v := range x.ticks() {
		fmt.Fprintf(&svg, `<text x="%.1f" y="%d" text-anchor="middle" %s>%s</text>`, plotLeft+width*x.at(v), curveHeight-plotBelow, small, short(v))
	}
	for i, policy := range policies {
		colour := colours[policy]
		key(&svg, i, policy, colour)
		fmt.Fprintf(&svg, `<polyline fill="none" stroke="%s" stroke-width="1.6" points="`, colour)
		for _, p := range of[policy] {
			fmt.Fprintf(&svg, "%.1f,%.1f ", plotLeft+width*x.at(p.podHours), plotTop+height*(1-y.at(p.violations)))
		}
		svg.WriteString(`"/>`)
		for _, p := range of[policy] {
			px, py := plotLeft+width*x.at(p.podHours), plotTop+height*(1-y.at(p.violations))
			fmt.Fprintf(&svg, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/><text x="%.1f" y="%.1f" %s>%g</text>`, px, py, colour, px+6, py-5, small, p.target)
		}
	}
	svg.WriteString("</svg>")
	return template.HTML(svg.String()) //nolint:gosec // names of policies and numbers, nothing from outside
}

// axis is a logarithmic one. What is below 1 is shown as 1.
type axis struct{ least, most float64 }

func newAxis() *axis { return &axis{math.Inf(1), math.Inf(-1)} }

func (a *axis) cover(v float64) {
	v = math.Log(max(1, v))
	a.least, a.most = min(a.least, v), max(a.most, v)
}

// at is where a value is, from 0 to 1, with some room at both ends.
func (a *axis) at(v float64) float64 {
	const room = 0.06
	span := max(a.most-a.least, 0.1) * (1 + 2*room)
	return (math.Log(max(1, v)) - a.least + room*span) / span
}

// ticks are 1, 2 and 5 times powers of ten within the axis.
func (a *axis) ticks() []float64 {
	var ticks []float64
	for power := 1.; math.Log(power) <= a.most; power *= 10 {
		for _, digit := range [...]float64{1, 2, 5} {
			if at := math.Log(digit * power); at >= a.least && at <= a.most {
				ticks = append(ticks, digit*power)
			}
		}
	}
	return ticks
}
