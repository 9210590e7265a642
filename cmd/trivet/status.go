package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/stackoutput"
)

func (t *terminal) statusCommand() *cobra.Command {
	var stack, file string
	var output format
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a deployed stack tells about itself",
		Long: `Show what a deployed stack tells about itself: where it answers, what runs,
where to look when something is wrong, what it costs. These are the outputs of
"pulumi up", read by the pulumi on your PATH, or from a file that holds what
"pulumi stack output --json" printed (- for standard input). Secrets are neither
asked for nor shown.`,
		Example: `  trivet status -s prod-aws
  trivet status -s prod-aws -o json
  pulumi stack output --json | trivet status --outputs -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := t.stackOutputs(cmd.Context(), stack, file)
			if err != nil {
				return err
			}
			outputs, err := readOutputs(text)
			if err != nil {
				return err
			}
			if !output.isText() {
				return output.document(t.out, outputs)
			}
			return t.printStatus(outputs)
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", "", "stack, as pulumi calls it")
	cmd.Flags().StringVar(&file, "outputs", "", "file of the outputs as JSON, instead of asking pulumi; - reads standard input")
	output.flag(cmd)
	return cmd
}

// stackOutputs gives the outputs of a stack as JSON.
func (t *terminal) stackOutputs(ctx context.Context, stack, file string) ([]byte, error) {
	switch {
	case file == "-":
		return io.ReadAll(t.in)
	case file != "":
		return os.ReadFile(file)
	case stack == "":
		return nil, usageError{errors.New("--stack has to name a stack, such as prod-aws, or --outputs a file")}
	}
	pulumi, err := exec.LookPath("pulumi")
	if err != nil {
		return nil, errors.New("there is no pulumi on the PATH; install it, or give what it printed elsewhere as --outputs")
	}
	ask := exec.CommandContext(ctx, pulumi, "stack", "output", "--json", "--stack", stack)
	ask.Env, ask.Stdin = t.environ, t.in
	var printed, complaint bytes.Buffer
	ask.Stdout, ask.Stderr = &printed, &complaint
	if err := ask.Run(); err != nil {
		return nil, fmt.Errorf("pulumi stack output: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return printed.Bytes(), nil
}

// hiddenOutput is what pulumi prints in the place of a secret.
const hiddenOutput = `"[secret]"`

// readOutputs reads the outputs of a stack, but for the secret ones.
func readOutputs(text []byte) (stackoutput.Outputs, error) {
	var outputs stackoutput.Outputs
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return outputs, fmt.Errorf("read the stack's outputs: %w", err)
	}
	if len(all) == 0 {
		return outputs, errors.New("the stack has no outputs: it has not been deployed")
	}
	var version int
	if err := json.Unmarshal(all["version"], &version); err != nil {
		return outputs, errors.New("these are no outputs of a stack of Trivet: they have no version")
	}
	if version > stackoutput.Version {
		return outputs, fmt.Errorf("the outputs have form %d, of a newer release; this program reads form %d: update it", version, stackoutput.Version)
	}
	for _, declared := range stackoutput.Declared() {
		if declared.Secret || string(all[declared.Name]) == hiddenOutput {
			delete(all, declared.Name)
		}
	}
	kept, err := json.Marshal(all)
	if err != nil {
		return outputs, err
	}
	if err := json.Unmarshal(kept, &outputs); err != nil {
		return outputs, fmt.Errorf("read the stack's outputs: %w", err)
	}
	return outputs, nil
}

// printStatus shows the outputs to a person.
func (t *terminal) printStatus(o stackoutput.Outputs) error {
	fields := [][2]string{
		{"stack", fmt.Sprintf("%s: tier %s, layer %s, on %s in %s", o.Stack.Name, o.Stack.Tier, o.Stack.Layer, o.Stack.Cloud, o.Stack.Region)},
		{"api", o.APIURL},
		{"console", o.ConsoleURL},
		{"status", o.StatusURL},
		{"logs", o.LogsURL},
		{"runbooks", o.Runbooks},
	}
	for _, name := range slices.Sorted(maps.Keys(o.Dashboards)) {
		fields = append(fields, [2]string{"dashboard " + name, o.Dashboards[name]})
	}
	fields = append(fields,
		[2]string{"kubectl", o.KubeconfigCommand},
		[2]string{"namespace", o.Namespace},
		[2]string{"database", o.Endpoints.Database},
		[2]string{"cache", o.Endpoints.Cache},
		[2]string{"broker", o.Endpoints.Broker},
		[2]string{"backups", o.Backup.URL},
	)
	for _, service := range slices.Sorted(maps.Keys(o.Images)) {
		fields = append(fields, [2]string{"image " + service, o.Images[service]})
	}
	fields = append(fields, [2]string{"guardrails", fmt.Sprintf("%d hold, %d fail, %d waived", o.Guardrails.Passed, o.Guardrails.Failed, len(o.Guardrails.Waived))})
	fields = append(fields, [2]string{"cost", fmt.Sprintf("%.2f USD a month, and %.2f for usage at the stated load", o.MonthlyCostUSD, o.Cost.UsageUSD)})
	for _, tier := range slices.Sorted(maps.Keys(o.Cost.Tiers)) {
		fields = append(fields, [2]string{"  " + tier, fmt.Sprintf("%.2f", o.Cost.Tiers[tier])})
	}
	// A layer says nothing about the other one.
	fields = slices.DeleteFunc(fields, func(field [2]string) bool { return field[1] == "" })
	return t.printFields(fields)
}
