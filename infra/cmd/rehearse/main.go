// Command rehearse runs a stack of this repository through the real Pulumi
// engine with stand-ins for its providers, and tells what came of it. No
// account is used. `trivet rehearse` starts it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/program"
	"github.com/trivetkv/trivet/infra/rehearsal"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var usage usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "rehearse:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "rehearse:", err)
		os.Exit(1)
	}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

type settings struct {
	root    string
	stack   string
	output  string
	graph   string
	cluster string
	record  string
	layers  bool
	faults  []standin.Fault
	drift   []standin.Drift
}

func parse(args []string, errs io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&s.root, "root", ".", "folder of Pulumi.yaml")
	flags.StringVar(&s.stack, "stack", "", "stack, such as prod-aws")
	flags.StringVar(&s.output, "output", "text", "text or json")
	flags.StringVar(&s.graph, "graph", "", "file to write every resource to, a line of JSON each")
	flags.StringVar(&s.cluster, "cluster", "", "kubeconfig of a cluster to apply the workloads to, for real; they are deleted at the end")
	flags.StringVar(&s.record, "record", "", "only make the stack, and write its state to this file, for the upgrade gate")
	flags.BoolVar(&s.layers, "layers", false, "as two stacks, of which the one of the workloads stands on the one of the cloud")
	flags.Func("fail", "let a create fail: TYPE#N, TYPE#N:timeout or TYPE#N:throttle", func(text string) error {
		fault, err := standin.ParseFault(text)
		s.faults = append(s.faults, fault)
		return err
	})
	flags.Func("drift", "change something by hand: TYPE#N.PROPERTY=JSON or TYPE#N:gone", func(text string) error {
		drift, err := standin.ParseDrift(text)
		s.drift = append(s.drift, drift)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return s, usageError{err}
	}
	switch {
	case flags.NArg() > 0:
		return s, usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	case s.stack == "":
		return s, usageError{errors.New("which stack: -stack NAME")}
	case s.output != "text" && s.output != "json":
		return s, usageError{errors.New("-output has to be text or json")}
	}
	if _, err := os.Stat(filepath.Join(s.root, "stacks", "Pulumi."+s.stack+".yaml")); err != nil {
		return s, usageError{fmt.Errorf("there is no stack %q: %w", s.stack, err)}
	}
	return s, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	s, err := parse(args, errs)
	if err != nil {
		return err
	}
	cli, err := rehearsal.FindPulumi(ctx, s.root, errs)
	if err != nil {
		return err
	}
	if cli, err = filepath.Abs(cli); err != nil {
		return err
	}
	options := rehearsal.Options{
		Root: s.root, Stack: s.stack, Program: program.Run, Pulumi: cli, Faults: s.faults, Drift: s.drift, Cluster: s.cluster,
		Judge: rehearsal.Judge(s.stack, time.Now), Progress: errs, Now: time.Now,
	}
	if s.layers {
		options = rehearsal.Layers(options)
	}
	if s.record != "" {
		state, err := rehearsal.Record(ctx, options)
		if err != nil {
			return err
		}
		return os.WriteFile(s.record, state, 0o644) //nolint:gosec // a file of the repository, read by everybody
	}
	report, err := rehearsal.Run(ctx, options)
	if err != nil {
		return err
	}
	if s.graph != "" {
		if err := writeGraph(s.graph, report.Graph()); err != nil {
			return err
		}
	}
	if s.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.Write(out)
}

func writeGraph(path string, g graph.Graph) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := graph.WriteLines(file, g); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}
