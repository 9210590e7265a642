// Package simulate is the command simulate: trivet's, and that of the program
// which links Knative's autoscaler.
package simulate

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

// UsageError is a mistake on the command line.
type UsageError struct{ error }

// Unwrap gives what is wrong.
func (e UsageError) Unwrap() error { return e.error }

// simulation is one call of the command: its flags, as they were given.
type simulation struct {
	out, err io.Writer

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

// NewCommand makes the command, which writes results to out and how far it is to err.
// Without knative, Knative's autoscaler, that policy is left out.
func NewCommand(out, err io.Writer, knative simulator.Maker) *cobra.Command {
	s := simulation{out: out, err: err, plan: simulator.Plan{Settings: simulator.DefaultSettings(), Knative: knative}}
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
counts as a whole, unless the flag is given. docs/autoscaling.md has the model.
Results are rows of a table, JSON, or a page with plots.

Knative's autoscaler is its own code, which the program trivet-simulator links:
that is started where it is beside trivet, on the PATH, or named by
TRIVET_SIMULATOR. Without it kpa is left out.`,
		Example: `  trivet simulate --trace load.csv --policy trivet,hpa --score-from 24h
  trivet simulate --generate weekly,spikes --startup 5s,90s --seed 1,2 -o json
  trivet simulate --generate all -o html > report.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	s.flags(cmd)
	return cmd
}

func (s *simulation) flags(cmd *cobra.Command) {
	set, plan, settings := cmd.Flags(), &s.plan, &s.plan.Settings
	set.StringSliceVar(&s.files, "trace", nil, "file of a trace, CSV; may be given more than once")
	set.StringSliceVar(&s.generate, "generate", nil, "names of traces to generate, or all (the default without --trace)")
	set.IntVar(&plan.Days, "days", 21, "days of generated traces")
	set.StringVar(&s.write, "write-traces", "", "write the generated traces of the first seed into this directory, and stop")
	set.StringSliceVar(&plan.Policies, "policy", nil, "policies to try (default trivet,hpa,keda,kpa; a consumer has no kpa)")
	set.UintSliceVar(&s.seeds, "seed", []uint{1}, "seeds of the traces and of the arrivals")
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
	set.StringVar(&s.rows, "rows", "", "write the rows to this file, as JSON, whatever the output")
	set.StringVar(&s.report, "report", "", "write the page with plots to this file, whatever the output")
	set.StringVar(&s.figure, "figure", "", "write load and pods of the first trace to this file, as SVG")
	set.StringVarP(&s.output, "output", "o", "table", "table, json or html")
}
