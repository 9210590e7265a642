package main

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

func (t *terminal) costCommand() *cobra.Command {
	var stack, compare, graph, output string
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Estimate what a stack costs in a month",
		Long: `Estimate what a stack costs in a month, by the table of prices in infra/cost:
what runs whether anybody uses it or not, and what usage costs at the load that
the stack file states. Types without a price are listed, not counted.

The stack is planned with stand-ins for its providers: no account is used, and
nothing is made. With --graph, the file that trivet rehearse wrote is taken.`,
		Example: `  trivet cost -s prod-aws
  trivet cost -s lean-aws --compare reference-aws
  trivet cost -s prod-aws --graph graph.jsonl -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case stack == "":
				return usageError{errors.New("--stack has to name a stack, such as prod-aws")}
			case !slices.Contains([]string{"table", "json"}, output):
				return usageError{errors.New("--output has to be table or json")}
			}
			args := []string{"-stack", stack, "-output", output}
			if compare != "" {
				args = append(args, "-compare", compare)
			}
			if graph != "" {
				path, err := filepath.Abs(graph)
				if err != nil {
					return err
				}
				args = append(args, "-graph", path)
			}
			return t.startInfrastructure(cmd.Context(), "cost", args...)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&stack, "stack", "s", "", "stack, whose file is in stacks/")
	flags.StringVar(&compare, "compare", "", "another stack to show beside it")
	flags.StringVar(&graph, "graph", "", "file of the stack's resources, as trivet rehearse --graph writes it")
	flags.StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}
