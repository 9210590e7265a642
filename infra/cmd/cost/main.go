// Command cost estimates what a stack of this repository costs in a month. It
// plans the stack with stand-ins for its providers, so that no account is used,
// or takes the file of resources that a rehearsal has written. `trivet cost`
// starts it.
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

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/cost"
	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/graph/recorder"
	"github.com/trivetkv/trivet/infra/program"
	"github.com/trivetkv/trivet/infra/rehearsal"
	"github.com/trivetkv/trivet/infra/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

type settings struct {
	root    string
	stack   string
	compare string
	graph   string
	output  string
}

func parse(args []string, errs io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("cost", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&s.root, "root", ".", "folder of Pulumi.yaml")
	flags.StringVar(&s.stack, "stack", "", "stack, such as prod-aws")
	flags.StringVar(&s.compare, "compare", "", "another stack to show beside it")
	flags.StringVar(&s.graph, "graph", "", "file of the stack's resources, as a rehearsal writes it")
	flags.StringVar(&s.output, "output", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.stack == "":
		return s, errors.New("which stack: -stack STACK")
	case s.output != "table" && s.output != "json":
		return s, errors.New("-output has to be table or json")
	}
	return s, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	s, err := parse(args, errs)
	if err != nil {
		return err
	}
	report, err := s.estimate(ctx, s.stack, s.graph, errs)
	if err != nil {
		return err
	}
	if s.compare == "" {
		if s.output == "json" {
			return document(out, report)
		}
		return report.Write(out, s.stack)
	}
	against, err := s.estimate(ctx, s.compare, "", errs)
	if err != nil {
		return err
	}
	comparison := cost.Compare(s.stack, report, s.compare, against)
	if s.output == "json" {
		return document(out, comparison)
	}
	return comparison.Write(out)
}

// estimate gives what a stack costs, by a file of its resources or by a plan.
func (s settings) estimate(ctx context.Context, name, file string, errs io.Writer) (cost.Report, error) {
	cfg, err := stack.ReadFile(s.root, name)
	if err != nil {
		return cost.Report{}, err
	}
	g, err := s.resources(ctx, name, file, errs)
	if err != nil {
		return cost.Report{}, err
	}
	return cost.Estimate(g, cost.Assume(cfg)), nil
}

func (s settings) resources(ctx context.Context, name, file string, errs io.Writer) (graph.Graph, error) {
	if file == "" {
		return plan(ctx, s.root, name, errs)
	}
	lines, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lines.Close() }()
	return graph.ReadLines(lines)
}

// plan gives the resources that a stack would have.
func plan(ctx context.Context, root, name string, errs io.Writer) (graph.Graph, error) {
	cli, err := rehearsal.FindPulumi(ctx, root, errs)
	if err != nil {
		return nil, err
	}
	if cli, err = filepath.Abs(cli); err != nil {
		return nil, err
	}
	var planned graph.Graph
	err = rehearsal.Plan(ctx, rehearsal.Options{
		Root: root, Stack: name, Pulumi: cli, Progress: errs, Now: time.Now,
		Program: func(ctx *pulumi.Context) error {
			watch, err := recorder.Start(ctx, nil)
			if err != nil {
				return err
			}
			if err := program.Run(ctx); err != nil {
				return err
			}
			ctx.Export("planned", watch.Then(ctx, func(g graph.Graph) (any, error) {
				planned = g
				return len(g), nil
			}))
			return nil
		},
	})
	return planned, err
}

func document(out io.Writer, report any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}
