package simulator

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

// WriteReport writes a page with a table of all outcomes and plots of those
// with a series. The page needs nothing but itself.
func WriteReport(w io.Writer, outcomes []Outcome) error {
	var rows []Row
	type group struct {
		Trace string
		Plots []template.HTML
	}
	var groups []*group
	byTrace := make(map[string][]Outcome)
	for _, o := range outcomes {
		rows = append(rows, o.Row)
		if o.Series == nil {
			continue
		}
		if byTrace[o.Row.Trace] == nil {
			groups = append(groups, &group{Trace: o.Row.Trace})
		}
		byTrace[o.Row.Trace] = append(byTrace[o.Row.Trace], o)
	}
	for _, g := range groups {
		of := byTrace[g.Trace]
		load := curve{"load", "#888", of[0].Series.Load}
		g.Plots = append(g.Plots, plot("requests per second", of[0].Series, []curve{load}))
		for _, p := range []struct {
			title string
			of    func(*Series) []float64
		}{
			{"pods", func(s *Series) []float64 { return s.Replicas }},
			{"latency of 99 %, worst second, ms", func(s *Series) []float64 { return s.P99 }},
			{"seconds outside the objective, cumulated", func(s *Series) []float64 { return cumulated(s.Violations) }},
		} {
			var lines []curve
			for _, o := range of {
				lines = append(lines, curve{o.Row.Policy, colours[o.Row.Policy], p.of(o.Series)})
			}
			g.Plots = append(g.Plots, plot(p.title, of[0].Series, lines))
		}
	}
	return page.Execute(w, map[string]any{"Rows": rows, "Groups": groups, "Compared": Compare("trivet", rows)})
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
	fmt.Fprintf(&svg, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s"><text x="%d" y="16" class="title">%s</text>`,
		plotWidth, plotHeight, title, plotLeft, title)
	for i := range 4 {
		value := most * float64(i) / 3
		y := plotTop + height*(1-float64(i)/3)
		fmt.Fprintf(&svg, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="grid"/><text x="%d" y="%.1f" class="y">%s</text>`,
			plotLeft, plotWidth-plotRight, y, y, plotLeft-6, y+4, short(value))
	}
	for i, l := range lines {
		fmt.Fprintf(&svg, `<text x="%d" y="16" fill="%s" class="key">%s</text><polyline fill="none" stroke="%s" points="`,
			420+110*i, l.colour, l.name, l.colour)
		for j, v := range l.values {
			x := plotLeft + width*float64(j)/float64(max(1, len(l.values)-1))
			fmt.Fprintf(&svg, "%.1f,%.1f ", x, plotTop+height*(1-v/most))
		}
		svg.WriteString(`"/>`)
	}
	if len(lines) > 0 {
		seconds := s.PartSeconds * len(lines[0].values)
		for day := 0; day*secondsADay <= seconds; day++ {
			x := plotLeft + width*float64(day*secondsADay)/float64(seconds)
			fmt.Fprintf(&svg, `<text x="%.1f" y="%d" class="x">day %d</text>`, x, plotHeight-6, day+1)
		}
	}
	svg.WriteString("</svg>")
	return template.HTML(svg.String()) //nolint:gosec // names of policies and numbers, nothing from outside
}

func short(v float64) string {
	if v >= 1000 {
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
svg{width:100%;display:block;margin:.3rem 0}polyline{stroke-width:1.2}.grid{stroke:#e5e5e5}.title{font:600 13px system-ui}
.y,.x,.key{font:12px system-ui}.y{text-anchor:end;fill:#555}.x{fill:#555}.key{font-weight:600}
</style>
<h1>Autoscalers, simulated</h1>
{{with .Compared}}<h2>Beside the others</h2><p>Ratios over all runs: below 1 is less.</p>
<table><tr><th>policy</th><th>beside</th><th>target</th><th>violation-seconds</th><th>pod-hours</th><th>changes</th><th>worse runs</th></tr>
{{range .}}<tr><td>{{.Policy}}</td><td>{{.Peer}}</td><td>{{.Target}}</td><td>{{printf "%.3f" .ViolationSeconds}}</td><td>{{printf "%.3f" .PodHours}}</td><td>{{printf "%.2f" .Changes}}</td><td>{{len .Worse}}</td></tr>
{{end}}</table>{{end}}
{{range .Groups}}<h2>{{.Trace}}</h2>{{range .Plots}}{{.}}{{end}}{{end}}
<h2>Every run</h2>
<table><tr><th>trace</th><th>policy</th><th>seed</th><th>start-up</th><th>target</th><th>violation-seconds</th><th>dropped</th><th>pod-hours</th><th>changes</th><th>p99 ms</th></tr>
{{range .Rows}}<tr><td>{{.Trace}}</td><td>{{.Policy}}</td><td>{{.Seed}}</td><td>{{.StartupSeconds}} s</td><td>{{.Target}}</td><td>{{.ViolationSeconds}}</td><td>{{printf "%.0f" .Dropped}}</td><td>{{printf "%.0f" .PodHours}}</td><td>{{.Changes}}</td><td>{{printf "%.0f" .P99}}</td></tr>
{{end}}</table></html>
`))
