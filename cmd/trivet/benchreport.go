package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// benchReport is what came of a load test. Latencies are in milliseconds.
type benchReport struct {
	Server      string  `json:"server"`
	Namespace   string  `json:"namespace"`
	Mode        string  `json:"mode"`
	Connections int     `json:"connections"`
	TargetRate  float64 `json:"target_rate,omitempty"` // requests per second of an open loop
	Mix         string  `json:"mix"`
	Keys        int     `json:"keys"`
	Distributed string  `json:"key_distribution"`
	Size        string  `json:"size"`
	Seconds     float64 `json:"seconds"`

	Total      benchStats            `json:"total"`
	Operations map[string]benchStats `json:"operations"`

	result load.Result
}

// benchStats are the numbers of one class of requests.
type benchStats struct {
	Requests  int64                  `json:"requests"` // answered as they should be
	Errors    map[load.Failure]int64 `json:"errors"`   // by status, or why there was none
	Rate      float64                `json:"rate"`     // requests per second
	Bytes     int64                  `json:"bytes"`    // of the answers' bodies
	MeanMS    float64                `json:"mean_ms"`
	LatencyMS []benchPercentile      `json:"latency_ms"`
}

type benchPercentile struct {
	Percentile float64 `json:"percentile"`
	MS         float64 `json:"ms"`
}

// percentiles are the points of the HDR plot: each step towards 100 is as wide
// as the one before, since tails are what it is for.
var percentiles = []float64{0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100}

func newBenchReport(flags benchFlags, server string, result load.Result) benchReport {
	r := benchReport{
		Server: server, Namespace: flags.namespace, Mode: flags.mode, Connections: flags.connections,
		TargetRate: flags.rate, Mix: flags.mix.String(), Keys: flags.keys, Distributed: flags.distribution,
		Size: flags.size.String(), Seconds: result.Elapsed.Seconds(),
		Total:      newBenchStats(result.Stats, result.Elapsed),
		Operations: make(map[string]benchStats, len(result.Kinds)),
		result:     result,
	}
	for kind, stats := range result.Kinds {
		r.Operations[kind] = newBenchStats(stats, result.Elapsed)
	}
	return r
}

func newBenchStats(s load.Stats, elapsed time.Duration) benchStats {
	stats := benchStats{
		Requests: s.OK, Errors: s.Failed, Rate: perSecond(s, elapsed), Bytes: s.Bytes,
		MeanMS: milliseconds(s.Latency.Mean()), LatencyMS: []benchPercentile{},
	}
	for _, p := range reached(s.Latency) {
		stats.LatencyMS = append(stats.LatencyMS, benchPercentile{p, milliseconds(s.Latency.Percentile(p))})
	}
	return stats
}

func perSecond(s load.Stats, elapsed time.Duration) float64 {
	return load.Result{Stats: s, Elapsed: elapsed}.Rate()
}

// reached gives the percentiles that so many durations can tell apart.
func reached(l load.Latency) []float64 {
	if l.Count() == 0 {
		return nil
	}
	var told []float64
	for _, p := range percentiles {
		if p <= 50 || p == 100 || float64(l.Count())*(100-p)/100 >= 1 {
			told = append(told, p)
		}
	}
	return told
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// print writes the report for people.
func (r benchReport) print(to io.Writer) error {
	out := bufio.NewWriter(to)
	loop := fmt.Sprintf("%s loop", r.Mode)
	if r.TargetRate > 0 {
		loop += fmt.Sprintf(" of %g requests/s", r.TargetRate)
	}
	fmt.Fprintf(out, "%s, %d connections, %.1f s, to %s\n", loop, r.Connections, r.Seconds, r.Server)
	fmt.Fprintf(out, "%s, %d keys (%s), values of %s bytes\n\n", r.Mix, r.Keys, r.Distributed, r.Size)
	r.printTable(out)
	r.printErrors(out)
	r.printPlot(out)
	return out.Flush()
}

func (r benchReport) printTable(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "OPERATION\tREQUESTS\tERRORS\tPER SECOND\tP50\tP90\tP99\tP99.9\tMAX\t")
	row := func(name string, s load.Stats) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%.0f", name, s.OK, s.Failures(), perSecond(s, r.result.Elapsed))
		for _, p := range []float64{50, 90, 99, 99.9, 100} {
			fmt.Fprintf(table, "\t%s", shortDuration(s.Latency.Percentile(p)))
		}
		fmt.Fprintln(table, "\t")
	}
	for _, kind := range slices.Sorted(maps.Keys(r.result.Kinds)) {
		row(kind, r.result.Kinds[kind])
	}
	row("all", r.result.Stats)
	_ = table.Flush() // the buffer below keeps the error
}

func (r benchReport) printErrors(out io.Writer) {
	if r.result.Failures() == 0 {
		return
	}
	fmt.Fprintln(out, "\nErrors, by status or reason:")
	for _, failure := range slices.Sorted(maps.Keys(r.result.Failed)) {
		fmt.Fprintf(out, "  %-9s %d\n", failure, r.result.Failed[failure])
	}
}

// barWidth is the longest bar of the plot, in characters.
const barWidth = 50

func (r benchReport) printPlot(out io.Writer) {
	latency := r.result.Latency
	told := reached(latency)
	if len(told) == 0 {
		return
	}
	fmt.Fprintln(out, "\nLatency by percentile:")
	longest := max(latency.Max(), 1)
	for _, p := range told {
		d := latency.Percentile(p)
		bar := strings.Repeat("#", int(barWidth*d/longest))
		fmt.Fprintf(out, "  %7s %%  %9s  %s\n", fmt.Sprintf("%g", p), shortDuration(d), strings.TrimRight("|"+bar, " "))
	}
}

// shortDuration gives three digits of a duration, which is what it was
// measured to.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2fms", milliseconds(d))
	case d < time.Second:
		return fmt.Sprintf("%.1fms", milliseconds(d))
	default:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
}
