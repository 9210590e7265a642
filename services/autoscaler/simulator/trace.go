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
	"slices"
	"strconv"
	"strings"
)

// Trace is load over time. Rows are Step seconds long; Requests holds how many
// requests arrive in each, Enqueued how many messages come to the queue; nil
// when the trace has no queue.
type Trace struct {
	Name     string
	Step     int
	Requests []float64
	Enqueued []float64
}

// Seconds is the trace's length.
func (t *Trace) Seconds() int { return t.Step * len(t.Requests) }

// Columns of a trace.
const (
	columnTime     = "t_seconds"
	columnRequests = "requests"
	columnEnqueued = "enqueued"
)

// mostPerSecond is the largest rate that a trace may have: beyond it, it is
// surely no count of requests.
const mostPerSecond = 1e7

// mostStep is the longest that a row may be, in seconds.
const mostStep = 24 * 3600

// ReadTrace reads the CSV form: a header, t_seconds,requests[,enqueued], and a
// row for each second, minute, or other number of seconds.
func ReadTrace(name string, r io.Reader) (*Trace, error) {
	text := bufio.NewReader(r)
	if mark, err := text.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = text.Discard(len(byteOrderMark)) // what was peeked at is there
	}
	rows := csv.NewReader(text)
	rows.ReuseRecord, rows.TrimLeadingSpace = true, true
	t := &Trace{Name: name}
	if err := t.read(rows); err != nil {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	return t, nil
}

// byteOrderMark is what spreadsheets put before the header.
const byteOrderMark = "\ufeff"

func (t *Trace) read(rows *csv.Reader) error {
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("line 1: there is no header; the file is empty")
	}
	if err != nil {
		return fmt.Errorf("line 1: the header: %w", err)
	}
	columns := []string{columnTime, columnRequests, columnEnqueued}
	if len(header) < 2 || len(header) > 3 || !slices.Equal(header, columns[:len(header)]) {
		return fmt.Errorf("line 1: the header has to be %s or %s, and is %q",
			strings.Join(columns[:2], ","), strings.Join(columns, ","), strings.Join(header, ","))
	}
	queue := len(header) == len(columns)
	var first, last float64
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err // it names the line
		}
		var values [3]float64
		for i, field := range row {
			if values[i], err = strconv.ParseFloat(strings.TrimSpace(field), 64); err != nil || !(values[i] >= 0) || math.IsInf(values[i], 0) {
				line, _ := rows.FieldPos(i)
				return fmt.Errorf("line %d: %s: %q is no number of 0 or more", line, columns[i], field)
			}
		}
		line, _ := rows.FieldPos(0)
		switch step := values[0] - last; {
		case len(t.Requests) == 0:
			first = values[0]
		case len(t.Requests) == 1:
			step = values[0] - first
			if !(step >= 1 && step <= mostStep) || step != math.Trunc(step) {
				return fmt.Errorf("line %d: %s: rows have to be a whole number of seconds apart, up to a day, and this one is %v s after the first", line, columnTime, step)
			}
			t.Step = int(step)
		case step != float64(t.Step):
			return fmt.Errorf("line %d: %s: rows are %d s apart, and this one is %v s after the one before", line, columnTime, t.Step, step)
		}
		for i := 1; i < len(row); i++ {
			if values[i] > mostPerSecond*float64(max(1, t.Step)) {
				return fmt.Errorf("line %d: %s: %q is more than %v a second", line, columns[i], row[i], float64(mostPerSecond))
			}
		}
		last = values[0]
		t.Requests = append(t.Requests, values[1])
		if queue {
			t.Enqueued = append(t.Enqueued, values[2])
		}
	}
	if len(t.Requests) < 2 {
		return errors.New("it needs two rows or more: how far they are apart says how long each is")
	}
	return nil
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
