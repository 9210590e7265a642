package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
)

// row is one line of the result. Ratio is ours divided by peer, whatever the
// unit: above 1 is good for rates, below 1 for times and sizes.
type row struct {
	Name     string   `json:"name"`
	Ours     float64  `json:"ours"`
	Peer     *float64 `json:"peer"` // null: there is no peer for it
	PeerName string   `json:"peer_name"`
	Ratio    *float64 `json:"ratio"`
	Unit     string   `json:"unit"`
	Target   string   `json:"target"` // such as "ratio >= 1.5" or "ours < 150"; empty: none
	Method   string   `json:"method"`

	target target
}

// target is a bound on a row's ratio, or on our value.
type target struct {
	text string
	met  func(row) bool // nil: there is no target
}

func ratioAtLeast(bound float64) target {
	return target{"ratio >= " + decimal(bound), func(r row) bool { return *r.Ratio >= bound }}
}

// notLonger is the target of times.
var notLonger = target{"ratio <= 1", func(r row) bool { return *r.Ratio <= 1 }}

func oursBelow(bound float64) target {
	return target{"ours < " + decimal(bound), func(r row) bool { return r.Ours < bound }}
}

func oursAtMost(bound float64) target {
	return target{"ours <= " + decimal(bound), func(r row) bool { return r.Ours <= bound }}
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// newRow makes a row of the medians of both systems' measurements.
func newRow(name, unit string, ours, peer []float64, peerName string, t target, method string, args ...any) row {
	r := row{
		Name: name, Unit: unit, Ours: median(ours), PeerName: peerName,
		Target: t.text, Method: fmt.Sprintf(method, args...), target: t,
	}
	if len(peer) > 0 {
		p := median(peer)
		ratio := r.Ours / p
		r.Peer, r.Ratio = &p, &ratio
	}
	return r
}

// missed tells whether the row has a target and does not reach it.
func (r row) missed() bool { return r.target.met != nil && !r.target.met(r) }

func countMissed(rows []row) (n int) {
	for _, r := range rows {
		if r.missed() {
			n++
		}
	}
	return n
}

// median gives the middle value, the mean of the two middle ones of an even
// number.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func printTable(w io.Writer, rows []row) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tours\tpeer\tunit\tratio\ttarget\t")
	for _, r := range rows {
		peer, ratio, mark := "–", "–", ""
		if r.Peer != nil {
			peer = number(*r.Peer) + " " + r.PeerName
			ratio = strconv.FormatFloat(*r.Ratio, 'f', 2, 64)
		}
		if r.Target != "" {
			mark = "✓ " + r.Target
			if r.missed() {
				mark = "✗ " + r.Target
			}
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Name, number(r.Ours), peer, r.Unit, ratio, mark)
	}
	_ = t.Flush()
	_, _ = fmt.Fprintln(w)
	methods := map[string][]string{}
	var order []string
	for _, r := range rows {
		if methods[r.Method] == nil {
			order = append(order, r.Method)
		}
		methods[r.Method] = append(methods[r.Method], r.Name)
	}
	for _, m := range order {
		_, _ = fmt.Fprintf(w, "%s … : %s\n", methods[m][0], m)
	}
}

// number shows three significant digits, and no fraction of large numbers.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// result is the file for programs.
type result struct {
	Machine machine `json:"machine"`
	Rows    []row   `json:"rows"`
}

func writeJSON(path string, m machine, rows []row) error {
	if err := os.MkdirAll(cmp.Or(filepath.Dir(path), "."), 0o750); err != nil {
		return err
	}
	data, err := json.MarshalIndent(result{m, rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
