// Command trivet-simulator is the command trivet simulate with Knative's
// autoscaler. It is a module of its own, outside go.work, so that Knative's
// modules decide about no version of what the services link; trivet starts it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/services/autoscaler/simulator/simulate"
)

// Exit codes, as those of trivet.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs the command line and gives the exit code. It speaks as trivet, which
// this program takes the place of.
func run(args []string, out, err io.Writer) int {
	cmd := simulate.NewCommand(out, err, newKPA)
	cmd.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "trivet simulate"}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(out)
	cmd.SetErr(err)
	cmd.SetArgs(args)
	// A flag of all of trivet's commands, which this one does not need.
	cmd.Flags().String("config", "", "")
	_ = cmd.Flags().MarkHidden("config") // it fails for a flag that there is not

	working := false
	cmd.PersistentPreRun = func(*cobra.Command, []string) { working = true }
	failure := cmd.Execute()
	if failure == nil {
		return 0
	}
	fmt.Fprintf(err, "trivet: %v\n", failure)
	var usage simulate.UsageError
	switch {
	case errors.As(failure, &usage):
		return exitUsage
	case !working: // what fails before it begins to work is wrong usage
		fmt.Fprintln(err, "See trivet simulate --help")
		return exitUsage
	}
	return exitFailed
}
