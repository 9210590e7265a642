package simulate

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

func (s *simulation) run(cmd *cobra.Command) error {
	if !slices.Contains([]string{"table", "json", "html"}, s.output) {
		return UsageError{errors.New("--output has to be table, json or html")}
	}
	s.plan.ScoreAll = !cmd.Flag("score-from").Changed
	left, err := s.choose(cmd.Flag("policy").Changed)
	if err != nil {
		return UsageError{err}
	}
	if err := s.complete(); err != nil {
		return UsageError{err}
	}
	if s.write != "" {
		return s.writeTraces()
	}
	if left != "" {
		fmt.Fprintln(s.err, left)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var outcomes []simulator.Outcome
	err = s.plan.Run(ctx, time.Now, func(o simulator.Outcome) {
		outcomes = append(outcomes, o)
		fmt.Fprintf(s.err, "\r%d of %d runs", len(outcomes), s.plan.Runs())
	})
	fmt.Fprintln(s.err)
	if err != nil {
		return err
	}
	return s.show(outcomes)
}

// choose settles which policies are tried. Knative's is left out where it is
// not linked and nobody asked for it; left says so.
func (s *simulation) choose(given bool) (left string, err error) {
	const where = "Knative's autoscaler is in the program trivet-simulator, which is neither beside trivet nor on the PATH; make bin/trivet-simulator builds it"
	switch plan := &s.plan; {
	case given && slices.Contains(plan.Policies, simulator.KPA) && plan.Knative == nil:
		return "", errors.New("--policy: kpa cannot be tried: " + where)
	case given:
	case plan.Settings.Workload == simulator.Consumer:
		plan.Policies = simulator.ConsumerPolicyNames()
	case plan.Knative == nil:
		plan.Policies, left = simulator.PolicyNames(), "kpa is left out: "+where
	default:
		plan.Policies = append(simulator.PolicyNames(), simulator.KPA)
	}
	return left, nil
}

// complete checks the flags and reads what they name.
func (s *simulation) complete() error {
	plan := &s.plan
	for _, seed := range s.seeds {
		plan.Seeds = append(plan.Seeds, uint64(seed))
	}
	plan.Traces = s.generate
	if len(s.generate) == 0 && len(s.files) == 0 || slices.Contains(s.generate, "all") {
		plan.Traces = simulator.TraceNames()
	}
	named := make(map[string]bool)
	for _, file := range s.files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if named[name] {
			name = file // of two files of a name, the second keeps its path
		}
		named[name] = true
		trace, err := readTrace(file, name)
		if err != nil {
			return err
		}
		plan.Recorded = append(plan.Recorded, trace)
	}
	if len(plan.Seeds) == 0 || len(plan.Startups) == 0 || len(plan.Targets) == 0 || len(plan.Policies) == 0 || plan.Days < 1 {
		return errors.New("there has to be a seed, a start-up time, a target, a policy and a day")
	}
	for _, startup := range plan.Startups {
		for _, target := range plan.Targets {
			settings := plan.Settings
			settings.Startup, settings.Target = startup, target
			if err := settings.Check(); err != nil {
				return err
			}
		}
	}
	return nil
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
func (s *simulation) writeTraces() error {
	if err := os.MkdirAll(s.write, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	for _, name := range s.plan.Traces {
		trace, err := simulator.Generate(name, s.plan.Days, s.plan.Seeds[0])
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(s.write, name+".csv"), trace.Write); err != nil {
			return err
		}
	}
	return nil
}
