// Package simulator runs autoscalers against recorded or generated load, in
// steps of a second. docs/autoscaling.md has the model and what it leaves out.
package simulator

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
)

// Trace is load over time. Rows are Step seconds long; Requests holds how many
// arrive in each, Enqueued how many of them, or beside them, go to the queue;
// nil when the trace has no queue.
type Trace struct {
	Name     string
	Step     int
	Requests []float64
	Enqueued []float64
}

// Seconds is the trace's length.
func (t *Trace) Seconds() int { return t.Step * len(t.Requests) }

// ReadTrace reads the CSV form: a header, t_seconds,requests[,enqueued], and a
// row for each second or minute.
func ReadTrace(name string, r io.Reader) (*Trace, error) {
	rows := csv.NewReader(bufio.NewReader(r))
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("trace %s: the header: %w", name, err)
	}
	if len(header) < 2 || len(header) > 3 || header[0] != "t_seconds" || header[1] != "requests" || len(header) == 3 && header[2] != "enqueued" {
		return nil, fmt.Errorf("trace %s: the header has to be t_seconds,requests or t_seconds,requests,enqueued", name)
	}
	t := &Trace{Name: name}
	var first, last float64
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("trace %s: %w", name, err)
		}
		var values [3]float64
		for i, field := range row {
			if values[i], err = strconv.ParseFloat(field, 64); err != nil || values[i] < 0 || math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
				return nil, fmt.Errorf("trace %s: row %d: %q is no number of 0 or more", name, len(t.Requests)+1, field)
			}
		}
		switch len(t.Requests) {
		case 0:
			first = values[0]
		case 1:
			t.Step = int(values[0] - first)
			if t.Step < 1 || float64(t.Step) != values[0]-first {
				return nil, fmt.Errorf("trace %s: rows have to be a whole number of seconds apart", name)
			}
		default:
			if values[0]-last != float64(t.Step) {
				return nil, fmt.Errorf("trace %s: row %d is not %d s after the one before", name, len(t.Requests)+1, t.Step)
			}
		}
		last = values[0]
		t.Requests = append(t.Requests, values[1])
		if len(header) == 3 {
			t.Enqueued = append(t.Enqueued, values[2])
		}
	}
	if len(t.Requests) < 2 {
		return nil, fmt.Errorf("trace %s: it needs two rows or more", name)
	}
	return t, nil
}

// Write writes the CSV form.
func (t *Trace) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	header := "t_seconds,requests"
	if t.Enqueued != nil {
		header += ",enqueued"
	}
	fmt.Fprintln(out, header)
	for i, requests := range t.Requests {
		fmt.Fprintf(out, "%d,%.6g", i*t.Step, requests)
		if t.Enqueued != nil {
			fmt.Fprintf(out, ",%.6g", t.Enqueued[i])
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// arrivals draws how many requests arrive in each second: Poisson with the mean
// that the second's row gives.
func arrivals(rows []float64, step int, seed uint64) []uint32 {
	random := rand.New(rand.NewPCG(seed, 0x617272697665)) //nolint:gosec // it has to be the same for a seed
	counts := make([]uint32, step*len(rows))
	for i, row := range rows {
		draw := newPoisson(row / float64(step))
		for s := range step {
			counts[i*step+s] = draw.next(random)
		}
	}
	return counts
}
