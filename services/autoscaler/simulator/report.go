package simulator

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

// WriteReport writes a page with a table of all outcomes, plots of those with a
// series and, with several targets, what each policy trades for what. The page
// needs nothing but itself.
func WriteReport(w io.Writer, outcomes []Outcome) error {
	var rows []Row
	for _, o := range outcomes {
		rows = append(rows, o.Row)
	}
	type group struct {
		Trace string
		Plots []template.HTML
	}
	var groups []group
	for _, of := range byTrace(outcomes) {
		g := group{Trace: of[0].Row.Trace}
		for _, p := range seriesPlots {
			g.Plots = append(g.Plots, p.draw(of))
		}
		groups = append(groups, g)
	}
	return page.Execute(w, map[string]any{"Rows": rows, "Groups": groups, "Compared": Compare("trivet", rows), "Curves": curves(rows)})
}

// WriteFigure writes load and pods of the first trace as an SVG file.
func WriteFigure(w io.Writer, outcomes []Outcome) error {
	groups := byTrace(outcomes)
	if len(groups) == 0 {
		return errors.New("nothing was recorded that could be drawn")
	}
	const shown = 2
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"><rect width="100%%" height="100%%" fill="#fff"/>`, plotWidth, shown*plotHeight)
	for i := range shown {
		inner := string(seriesPlots[i].draw(groups[0]))
		fmt.Fprintf(&svg, `<svg y="%d" width="%d" height="%d"%s`, i*plotHeight, plotWidth, plotHeight, strings.TrimPrefix(inner, "<svg"))
	}
	svg.WriteString("</svg>\n")
	_, err := io.WriteString(w, svg.String())
	return err
}

// byTrace gives the outcomes with a series, by trace, in their order.
func byTrace(outcomes []Outcome) [][]Outcome {
	var groups [][]Outcome
	at := make(map[string]int)
	for _, o := range outcomes {
		if o.Series == nil {
			continue
		}
		i, ok := at[o.Row.Trace]
		if !ok {
			i = len(groups)
			at[o.Row.Trace], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], o)
	}
	return groups
}

// seriesPlot is a plot over time, of one curve for each policy, or of the load.
type seriesPlot struct {
	title string
	load  bool
	of    func(*Series) []float64
}

var seriesPlots = []seriesPlot{
	{"arrivals per second", true, func(s *Series) []float64 { return s.Load }},
	{"pods", false, func(s *Series) []float64 { return s.Replicas }},
	{"latency of 99 %, worst second, ms", false, func(s *Series) []float64 { return s.P99 }},
	{"seconds outside the objective, cumulated", false, func(s *Series) []float64 { return cumulated(s.Violations) }},
}

func (p *seriesPlot) draw(of []Outcome) template.HTML {
	if p.load {
		return plot(p.title, of[0].Series, []curve{{"load", "#777", p.of(of[0].Series)}})
	}
	var lines []curve
	for _, o := range of {
		lines = append(lines, curve{o.Row.Policy, colours[o.Row.Policy], p.of(o.Series)})
	}
	return plot(p.title, of[0].Series, lines)
}

var colours = map[string]string{"trivet": "#0a7d4f", "hpa": "#c2410c", "keda": "#7c3aed", "kpa": "#1d4ed8"}

func cumulated(values []float64) []float64 {
	sums := make([]float64, len(values))
	sum := 0.
	for i, v := range values {
		sum += v
		sums[i] = sum
	}
	return sums
}

// curve is one curve of a plot.
type curve struct {
	name, colour string
	values       []float64
}

// Size of a plot, and where its curves are.
const (
	plotWidth, plotHeight                   = 1100, 190
	plotLeft, plotTop, plotRight, plotBelow = 70, 26, 10, 22
)

func plot(title string, s *Series, lines []curve) template.HTML {
	most := 1e-9
	for _, l := range lines {
		for _, v := range l.values {
			most = max(most, v)
		}
	}
	most *= 1.05
	width, height := float64(plotWidth-plotLeft-plotRight), float64(plotHeight-plotTop-plotBelow)
	var svg strings.Builder
	beginPlot(&svg, title, plotHeight)
	for i := range 4 {
		y := plotTop + height*(1-float64(i)/3)
		gridLine(&svg, y, short(most*float64(i)/3))
	}
	for i, l := range lines {
		key(&svg, i, l.name, l.colour)
		fmt.Fprintf(&svg, `<polyline fill="none" stroke="%s" stroke-width="1.2" points="`, l.colour)
		for j, v := range l.values {
			x := plotLeft + width*float64(j)/float64(max(1, len(l.values)-1))
			fmt.Fprintf(&svg, "%.1f,%.1f ", x, plotTop+height*(1-v/most))
		}
		svg.WriteString(`"/>`)
	}
	if len(lines) > 0 {
		seconds := s.PartSeconds * len(lines[0].values)
		for day := 0; day*secondsADay < seconds; day++ {
			x := plotLeft + width*float64(day*secondsADay)/float64(seconds)
			fmt.Fprintf(&svg, `<text x="%.1f" y="%d" %s>day %d</text>`, x, plotHeight-6, small, day+1)
		}
	}
	svg.WriteString("</svg>")
	return template.HTML(svg.String()) //nolint:gosec // names of policies and numbers, nothing from outside
}

// Styles are attributes, so that a plot looks the same on a page and alone.
const (
	small = `font-family="system-ui,sans-serif" font-size="12" fill="#555"`
	bold  = `font-family="system-ui,sans-serif" font-size="13" font-weight="600"`
)

func beginPlot(svg *strings.Builder, title string, height int) {
	fmt.Fprintf(svg, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s"><text x="%d" y="16" %s fill="#1a1a1a">%s</text>`,
		plotWidth, height, title, plotLeft, bold, title)
}

func gridLine(svg *strings.Builder, y float64, label string) {
	fmt.Fprintf(svg, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e5e5e5"/><text x="%d" y="%.1f" text-anchor="end" %s>%s</text>`,
		plotLeft, plotWidth-plotRight, y, y, plotLeft-6, y+4, small, label)
}

// key shows which colour a policy has.
func key(svg *strings.Builder, i int, name, colour string) {
	x := 440 + 110*i
	fmt.Fprintf(svg, `<line x1="%d" x2="%d" y1="12" y2="12" stroke="%s" stroke-width="3"/><text x="%d" y="16" %s fill="%s">%s</text>`,
		x, x+22, colour, x+28, bold, colour, name)
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1000:
		return fmt.Sprintf("%.3gk", v/1000)
	}
	return fmt.Sprintf("%.3g", math.Round(v*100)/100)
}

var page = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Autoscalers, simulated</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:1140px;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}
svg{width:100%;display:block;margin:.3rem 0}summary{cursor:pointer;font-weight:600;margin:1rem 0}
</style>
<h1>Autoscalers, simulated</h1>
{{with .Compared}}<h2>Beside the others</h2><p>Ratios over all runs: below 1 is less.</p>
<table><tr><th>policy</th><th>beside</th><th>target</th><th>violation-seconds</th><th>pod-hours</th><th>changes</th><th>worse runs</th></tr>
{{range .}}<tr><td>{{.Policy}}</td><td>{{.Peer}}</td><td>{{.Target}}</td><td>{{printf "%.3f" .ViolationSeconds}}</td><td>{{printf "%.3f" .PodHours}}</td><td>{{printf "%.2f" .Changes}}</td><td>{{len .Worse}}</td></tr>
{{end}}</table>{{end}}
{{with .Curves}}<h2>What is traded for what</h2>
<p>Each point is a target, over all traces and seeds: further left is cheaper, further down is better.</p>{{range .}}{{.}}{{end}}{{end}}
{{range .Groups}}<h2>{{.Trace}}</h2>{{range .Plots}}{{.}}{{end}}{{end}}
<details><summary>Every run</summary>
<table><tr><th>trace</th><th>policy</th><th>seed</th><th>start-up</th><th>target</th><th>violation-seconds</th><th>dropped</th><th>pod-hours</th><th>changes</th><th>p99 ms</th></tr>
{{range .Rows}}<tr><td>{{.Trace}}</td><td>{{.Policy}}</td><td>{{.Seed}}</td><td>{{.StartupSeconds}} s</td><td>{{.Target}}</td><td>{{.ViolationSeconds}}</td><td>{{printf "%.0f" .Dropped}}</td><td>{{printf "%.0f" .PodHours}}</td><td>{{.Changes}}</td><td>{{printf "%.0f" .P99}}</td></tr>
{{end}}</table></details></html>
`))
