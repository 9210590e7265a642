package main

import (
	"bytes"
	"fmt"
	"html"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// Geometry of the plot, in pixels of its view box.
const (
	plotWidth, plotHeight    = 860, 460
	plotLeft, plotRight      = 76, 800
	plotTop, plotBottom      = 84, 400
	plotSteps                = 400 // points of a line
	plotLabelGap             = 16  // between two labels at the ends of lines
	deepestNines, fewestNine = 6, 2
)

// plotStyle has colours for light and for dark surroundings; those of the
// lines are told apart by people who see no red or no green too.
const plotStyle = `
svg { color-scheme: light dark; font: 13px system-ui, sans-serif; }
.back { fill: #fff; } text { fill: #24292f; } .soft { fill: #57606a; }
.grid { stroke: #d8dee4; } .axis { stroke: #57606a; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.c0 { stroke: #24292f; } .c1 { stroke: #0969da; } .c2 { stroke: #bc4c00; } .c3 { stroke: #8250df; } .c4 { stroke: #1a7f37; }
.t0 { fill: #24292f; } .t1 { fill: #0969da; } .t2 { fill: #bc4c00; } .t3 { fill: #8250df; } .t4 { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117; } text { fill: #e6edf3; } .soft { fill: #9198a1; }
.grid { stroke: #30363d; } .axis { stroke: #9198a1; }
.c0 { stroke: #e6edf3; } .c1 { stroke: #58a6ff; } .c2 { stroke: #f0883e; } .c3 { stroke: #bc8cff; } .c4 { stroke: #3fb950; }
.t0 { fill: #e6edf3; } .t1 { fill: #58a6ff; } .t2 { fill: #f0883e; } .t3 { fill: #bc8cff; } .t4 { fill: #3fb950; }
}
`

// plot draws latency over percentile. Each nine of the percentile is as wide as
// the one before, and latency is logarithmic: both ends stay readable.
type plot struct {
	out       bytes.Buffer
	nines     float64 // at the right edge
	low, high float64 // decades of milliseconds at the edges
}

func (r benchReport) svg() []byte {
	p := &plot{nines: min(max(math.Log10(float64(max(r.result.Latency.Count(), 1))), fewestNine), deepestNines)}
	p.scale(r.result)
	fmt.Fprintf(&p.out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&p.out, "<title>Latency of requests by percentile</title>\n<style>%s</style>\n", plotStyle)
	fmt.Fprintf(&p.out, `<rect class="back" width="%d" height="%d"/>`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&p.out, `<text x="%d" y="30" font-size="17" font-weight="600">Latency by percentile at %.0f requests/s, %d errors</text>`+"\n",
		plotLeft, r.Total.Rate, r.result.Failures())
	about := fmt.Sprintf("%s loop, %d connections, %s, %d keys (%s), values of %s bytes",
		r.Mode, r.Connections, r.Mix, r.Keys, r.Distributed, r.Size)
	fmt.Fprintf(&p.out, `<text class="soft" x="%d" y="52">%s</text>`+"\n", plotLeft, html.EscapeString(about))
	p.axes()
	p.lines(r.result)
	p.out.WriteString("</svg>\n")
	return p.out.Bytes()
}

// scale fits the latencies between two steps of 1, 2 and 5.
func (p *plot) scale(result load.Result) {
	shortest, longest := result.Latency.Percentile(0), result.Latency.Max()
	for _, s := range result.Kinds {
		if s.Latency.Count() > 0 {
			shortest = min(shortest, s.Latency.Percentile(0))
		}
	}
	steps := latencySteps()
	first, last := 0, len(steps)-1
	for first < len(steps)-2 && steps[first+1] <= shortest {
		first++
	}
	for last > first+1 && steps[last-1] >= longest {
		last--
	}
	p.low, p.high = math.Log10(milliseconds(steps[first])), math.Log10(milliseconds(steps[last]))
}

func latencySteps() []time.Duration {
	var steps []time.Duration
	for decade := time.Microsecond; decade <= 1000*time.Second; decade *= 10 {
		steps = append(steps, decade, 2*decade, 5*decade)
	}
	return steps
}

func (p *plot) x(percentile float64) float64 {
	nines := p.nines
	if percentile < 100 {
		nines = min(nines, -math.Log10(1-percentile/100))
	}
	return plotLeft + (plotRight-plotLeft)*nines/p.nines
}

func (p *plot) y(d time.Duration) float64 {
	at := (math.Log10(max(milliseconds(d), 1e-3)) - p.low) / (p.high - p.low)
	return plotBottom - (plotBottom-plotTop)*min(max(at, 0), 1)
}

func (p *plot) axes() {
	for _, step := range latencySteps() {
		decade := math.Log10(milliseconds(step))
		if decade < p.low-1e-9 || decade > p.high+1e-9 {
			continue
		}
		y := p.y(step)
		fmt.Fprintf(&p.out, `<path class="grid" d="M%d %.1fH%d"/><text class="soft" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, y, plotRight, plotLeft-8, y+4, step)
	}
	for _, percentile := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if percentile > 0 && -math.Log10(1-percentile/100) > p.nines {
			continue
		}
		x := p.x(percentile)
		fmt.Fprintf(&p.out, `<path class="grid" d="M%.1f %dV%d"/><text class="soft" x="%.1f" y="%d" text-anchor="middle">%g %%</text>`+"\n",
			x, plotTop, plotBottom, x, plotBottom+20, percentile)
	}
	fmt.Fprintf(&p.out, `<path class="axis" d="M%d %dH%d"/>`+"\n", plotLeft, plotBottom, plotRight)
	fmt.Fprintf(&p.out, `<text class="soft" x="%d" y="%d" text-anchor="middle">part of the requests that took no longer</text>`+"\n",
		(plotLeft+plotRight)/2, plotBottom+44)
}

// lines draws all requests and, where there are several, each operation.
func (p *plot) lines(result load.Result) {
	type labelled struct {
		name  string
		class int
		y     float64
	}
	var labels []labelled
	draw := func(name string, class int, latency load.Latency) {
		if latency.Count() == 0 {
			return
		}
		fmt.Fprintf(&p.out, `<path class="line c%d" d="`, class)
		// A line ends where its own number of requests does.
		end := min(p.nines, max(math.Log10(float64(latency.Count())), 0.1))
		command := 'M'
		for i := range plotSteps + 1 {
			percentile := 100 * (1 - math.Pow(10, -end*float64(i)/plotSteps))
			fmt.Fprintf(&p.out, "%c%.1f %.1f", command, p.x(percentile), p.y(latency.Percentile(percentile)))
			command = 'L'
		}
		fmt.Fprintf(&p.out, "V%.1f\"/>\n", p.y(latency.Max()))
		labels = append(labels, labelled{name, class, p.y(latency.Max())})
	}
	if len(result.Kinds) != 1 {
		draw("all", 0, result.Latency)
	}
	for i, kind := range slices.Sorted(maps.Keys(result.Kinds)) {
		draw(kind, 1+i%4, result.Kinds[kind].Latency)
	}
	slices.SortStableFunc(labels, func(a, b labelled) int { return int(a.y - b.y) })
	below := math.Inf(-1)
	for _, label := range labels {
		below = max(label.y+4, below+plotLabelGap)
		fmt.Fprintf(&p.out, `<text class="t%d" x="%d" y="%.1f">%s</text>`+"\n", label.class, plotRight+8, below, html.EscapeString(label.name))
	}
}
