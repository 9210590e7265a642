package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

// show writes the files that were asked for, and the results.
func (s *simulation) show(outcomes []simulator.Outcome) error {
	for _, file := range []struct {
		name  string
		write func(io.Writer, []simulator.Outcome) error
	}{{s.rows, writeJSON}, {s.report, simulator.WriteReport}, {s.figure, simulator.WriteFigure}} {
		if file.name == "" {
			continue
		}
		if err := writeFile(file.name, func(w io.Writer) error { return file.write(w, outcomes) }); err != nil {
			return err
		}
	}
	switch s.output {
	case "json":
		return writeJSON(s.out, outcomes)
	case "html":
		return simulator.WriteReport(s.out, outcomes)
	default:
		return writeTable(s.out, outcomes)
	}
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

func writeJSON(w io.Writer, outcomes []simulator.Outcome) error {
	rows := make([]simulator.Row, len(outcomes))
	for i, o := range outcomes {
		rows[i] = o.Row
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}

func writeTable(out io.Writer, outcomes []simulator.Outcome) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "TRACE\tPOLICY\tTARGET\tSEED\tSTART-UP\tVIOLATED S\tDROPPED\tPOD-HOURS\tCHANGES\tP99 MS\t")
	rows := make([]simulator.Row, len(outcomes))
	for i, o := range outcomes {
		r := o.Row
		rows[i] = r
		fmt.Fprintf(w, "%s\t%s\t%.2g\t%d\t%.0fs\t%d\t%.0f\t%.0f\t%d\t%.0f\t\n",
			r.Trace, r.Policy, r.Target, r.Seed, r.StartupSeconds, r.ViolationSeconds, r.Dropped, r.PodHours, r.Changes, r.P99)
	}
	compared := simulator.Compare("trivet", rows)
	if len(compared) > 0 {
		fmt.Fprintln(w, "\t\t\t\t\t\t\t\t\t\t")
		fmt.Fprintln(w, "POLICY\tBESIDE\tTARGET\t\t\tVIOLATED S\t\tPOD-HOURS\tCHANGES\tWORSE RUNS\t")
	}
	for _, c := range compared {
		fmt.Fprintf(w, "%s\t%s\t%.2g\t\t\t%.3f×\t\t%.3f×\t%.2f×\t%d\t\n", c.Policy, c.Peer, c.Target, c.ViolationSeconds, c.PodHours, c.Changes, len(c.Worse))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range compared {
		for _, run := range c.Worse {
			fmt.Fprintf(out, "worse than %s: %s\n", c.Peer, run)
		}
	}
	return nil
}
