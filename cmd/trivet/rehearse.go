package main

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

func (t *terminal) rehearseCommand() *cobra.Command {
	var stack, graph, cluster, output string
	var faults, drift []string
	var layers bool
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Run a stack's deployment from plan to destroy, without an account",
		Long: `Run a stack through the real Pulumi engine with stand-ins for its providers:
preview, up, a second preview that must have nothing to do, a change by hand
that refresh must show and up repair, unprotect, destroy. Stand-ins refuse what
the real providers would refuse. At the end you see how many resources each part
has, what the guardrails say, and what it would cost.

No account is used, and no cluster but the one that --cluster names: to that,
the Kubernetes objects are applied for real, and deleted at the end.

--fail lets a create fail, by type and count; the next run has to complete, with
nothing made twice. :timeout makes the object and loses the answer, :throttle
refuses for too many requests. --drift chooses what is changed by hand.`,
		Example: `  trivet rehearse -s prod-aws
  trivet rehearse -s prod-aws -o json --graph graph.jsonl
  trivet rehearse -s dev-aws --fail 'aws:ec2/subnet:Subnet#3'
  trivet rehearse -s dev-aws --drift 'aws:ec2/subnet:Subnet#1.mapPublicIpOnLaunch=true'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case stack == "":
				return usageError{errors.New("--stack has to name a stack, such as prod-aws")}
			case !slices.Contains([]string{"text", "json"}, output):
				return usageError{errors.New("--output has to be text or json")}
			}
			args := []string{"-stack", stack, "-output", output}
			if layers {
				args = append(args, "-layers")
			}
			for _, path := range []struct{ flag, value string }{{"-graph", graph}, {"-cluster", cluster}} {
				if path.value == "" {
					continue
				}
				absolute, err := filepath.Abs(path.value)
				if err != nil {
					return err
				}
				args = append(args, path.flag, absolute)
			}
			for _, fault := range faults {
				args = append(args, "-fail", fault)
			}
			for _, change := range drift {
				args = append(args, "-drift", change)
			}
			return t.startInfrastructure(cmd.Context(), "rehearse", args...)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&stack, "stack", "s", "", "stack, whose file is in stacks/")
	flags.StringVarP(&output, "output", "o", "text", "text or json")
	flags.StringVar(&graph, "graph", "", "write every resource to this file, a line of JSON each")
	flags.StringVar(&cluster, "cluster", "", "kubeconfig of a cluster to apply the Kubernetes objects to, for real")
	flags.StringArrayVar(&faults, "fail", nil, "create that fails: TYPE#N, TYPE#N:timeout or TYPE#N:throttle")
	flags.StringArrayVar(&drift, "drift", nil, "change by hand: TYPE#N.PROPERTY=JSON or TYPE#N:gone")
	flags.BoolVar(&layers, "layers", false, "as two stacks: the cloud's, and the workloads' that stands on it")
	return cmd
}
