package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

// simulateFlags are the flags of simulate, as they were given.
type simulateFlags struct {
	plan     simulator.Plan
	files    []string
	generate []string
	seeds    []uint
	write    string
	rows     string
	report   string
	figure   string
	output   string
}

func (t *terminal) simulateCommand() *cobra.Command {
	flags := simulateFlags{plan: simulator.Plan{Settings: simulator.DefaultSettings()}}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Try autoscalers on recorded or generated load",
		Long: `Try this project's autoscaler, and those of Kubernetes (hpa), KEDA (keda) and
Knative (kpa), on load that was recorded or that is generated, in steps of a
second. A second is violated when 99 % of its requests would not have met the
objective, or when any was dropped.

A trace is a CSV file with the header t_seconds,requests or
t_seconds,requests,enqueued and a row for each second or minute: how many
requests arrive within it. Generated traces: ` + strings.Join(simulator.TraceNames(), ", ") + `.

With --workload consumer the pods apply the messages, --pod-rps each a second,
and a second is violated while the oldest one waits for longer than --drain.

What comes before --score-from is for learning; a trace that is not longer
counts as a whole, unless the flag is given. docs/autoscaling.md has the model. Results are rows of a table, JSON, or a page with plots.`,
		Example: `  trivet simulate --trace load.csv --policy trivet,hpa --score-from 24h
  trivet simulate --generate weekly,spikes --startup 5s,90s --seed 1,2 -o json
  trivet simulate --generate all -o html > report.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.simulate(cmd, flags) },
	}
	set, plan, settings := cmd.Flags(), &flags.plan, &flags.plan.Settings
	set.StringSliceVar(&flags.files, "trace", nil, "file of a trace, CSV; may be given more than once")
	set.StringSliceVar(&flags.generate, "generate", nil, "names of traces to generate, or all (the default without --trace)")
	set.IntVar(&plan.Days, "days", 21, "days of generated traces")
	set.StringVar(&flags.write, "write-traces", "", "write the generated traces of the first seed into this directory, and stop")
	set.StringSliceVar(&plan.Policies, "policy", simulator.PolicyNames(), "policies to try")
	set.UintSliceVar(&flags.seeds, "seed", []uint{1}, "seeds of the traces and of the arrivals")
	set.DurationSliceVar(&plan.Startups, "startup", []time.Duration{settings.Startup}, "times that a pod needs to start")
	set.Float64SliceVar(&plan.Targets, "target", []float64{settings.Target}, "utilisations to aim at, for curves more than one; trivet, which has none, takes 0.7 for its default prices, less for dearer misses")
	set.StringVar((*string)(&settings.Workload), "workload", string(settings.Workload), "what the pods do: api (requests) or consumer (messages)")
	set.DurationVar(&settings.Drain, "drain", settings.Drain, "time within which a consumer has to apply a message")
	set.Float64Var(&settings.PodRate, "pod-rps", settings.PodRate, "requests or messages per second that a pod serves")
	set.DurationVar(&settings.Objective, "objective", settings.Objective, "latency that 99 % of the requests have to meet")
	set.DurationVar(&settings.Timeout, "timeout", settings.Timeout, "time after which a request has given up")
	set.IntVar(&settings.Min, "min", settings.Min, "least number of pods")
	set.IntVar(&settings.Max, "max", settings.Max, "largest number of pods")
	set.DurationVar(&settings.ScoreFrom, "score-from", settings.ScoreFrom, "what comes before counts for nothing")
	set.StringVar(&flags.rows, "rows", "", "write the rows to this file, as JSON, whatever the output")
	set.StringVar(&flags.report, "report", "", "write the page with plots to this file, whatever the output")
	set.StringVar(&flags.figure, "figure", "", "write load and pods of the first trace to this file, as SVG")
	set.StringVarP(&flags.output, "output", "o", "table", "table, json or html")
	return cmd
}

func (t *terminal) simulate(cmd *cobra.Command, flags simulateFlags) error {
	if !slices.Contains([]string{"table", "json", "html"}, flags.output) {
		return usageError{errors.New("--output has to be table, json or html")}
	}
	plan, err := flags.complete()
	if err != nil {
		return usageError{err}
	}
	plan.ScoreAll = !cmd.Flag("score-from").Changed
	if !cmd.Flag("policy").Changed && plan.Settings.Workload == simulator.Consumer {
		plan.Policies = simulator.ConsumerPolicyNames()
	}
	if flags.write != "" {
		return writeTraces(flags.write, plan)
	}
	ctx, cancel := interruptible(cmd.Context())
	defer cancel()
	var outcomes []simulator.Outcome
	err = plan.Run(ctx, time.Now, func(o simulator.Outcome) {
		outcomes = append(outcomes, o)
		fmt.Fprintf(t.err, "\r%d of %d runs", len(outcomes), plan.Runs())
	})
	fmt.Fprintln(t.err)
	if err != nil {
		return err
	}
	if flags.rows != "" {
		if err := writeFile(flags.rows, func(w io.Writer) error { return simulatedJSON(w, outcomes) }); err != nil {
			return err
		}
	}
	if flags.report != "" {
		if err := writeFile(flags.report, func(w io.Writer) error { return simulator.WriteReport(w, outcomes) }); err != nil {
			return err
		}
	}
	if flags.figure != "" {
		if err := writeFile(flags.figure, func(w io.Writer) error { return simulator.WriteFigure(w, outcomes) }); err != nil {
			return err
		}
	}
	switch flags.output {
	case "json":
		return simulatedJSON(t.out, outcomes)
	case "html":
		return simulator.WriteReport(t.out, outcomes)
	default:
		return t.simulatedTable(outcomes)
	}
}

// complete checks the flags and reads what they name.
func (f *simulateFlags) complete() (*simulator.Plan, error) {
	plan := f.plan
	for _, seed := range f.seeds {
		plan.Seeds = append(plan.Seeds, uint64(seed))
	}
	plan.Traces = f.generate
	if len(f.generate) == 0 && len(f.files) == 0 || slices.Contains(f.generate, "all") {
		plan.Traces = simulator.TraceNames()
	}
	named := make(map[string]bool)
	for _, file := range f.files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if named[name] {
			name = file // of two files of a name, the second keeps its path
		}
		named[name] = true
		trace, err := readTrace(file, name)
		if err != nil {
			return nil, err
		}
		plan.Recorded = append(plan.Recorded, trace)
	}
	if len(plan.Seeds) == 0 || len(plan.Startups) == 0 || len(plan.Targets) == 0 || len(plan.Policies) == 0 || plan.Days < 1 {
		return nil, errors.New("there has to be a seed, a start-up time, a target, a policy and a day")
	}
	return &plan, plan.Settings.Check()
}

func readTrace(path, name string) (*simulator.Trace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return simulator.ReadTrace(name, file)
}

// writeTraces writes the generated traces of the first seed.
func writeTraces(dir string, plan *simulator.Plan) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	for _, name := range plan.Traces {
		trace, err := simulator.Generate(name, plan.Days, plan.Seeds[0])
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, name+".csv"), trace.Write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

func simulatedJSON(w io.Writer, outcomes []simulator.Outcome) error {
	rows := make([]simulator.Row, len(outcomes))
	for i, o := range outcomes {
		rows[i] = o.Row
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}

func (t *terminal) simulatedTable(outcomes []simulator.Outcome) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', tabwriter.AlignRight)
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
			fmt.Fprintf(t.out, "worse than %s: %s\n", c.Peer, run)
		}
	}
	return nil
}
