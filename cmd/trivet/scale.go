package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
)

// scaleTimeout is how long the autoscaler may take to answer.
const scaleTimeout = 10 * time.Second

// scaleStatus is what the autoscaler answers about the workloads; what the
// commands do not show is left to -o json.
type scaleStatus struct {
	Leading   bool             `json:"leading"`
	Workloads []scaledWorkload `json:"workloads"`
}

type scaledWorkload struct {
	At          time.Time       `json:"at"`
	Workload    string          `json:"workload"`
	Explanation string          `json:"explanation"`
	Applied     bool            `json:"applied"`
	NotApplied  string          `json:"not_applied,omitempty"`
	Decision    json.RawMessage `json:"decision"`
	Orders      json.RawMessage `json:"orders"`
}

func (t *terminal) scaleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "See what the autoscaler decides, and give it orders",
		Long: `See what the autoscaler decides and why, and give it orders. It is asked at
--autoscaler (TRIVET_AUTOSCALER_URL), which a port-forward reaches:

  kubectl -n trivet port-forward deploy/trivet-autoscaler 8080
  trivet scale status

Orders need its token in TRIVET_AUTOSCALER_CLIENT_TOKEN. They are annotations of
the Deployment: they outlive the autoscaler and hold for all its replicas.`,
		Example: `  trivet scale status
  trivet scale set trivet-api 12
  trivet scale auto trivet-api`,
	}
	cmd.PersistentFlags().String("autoscaler", "", "URL of the autoscaler (TRIVET_AUTOSCALER_URL; default http://localhost:8080)")
	cmd.AddCommand(
		t.scaleStatusCommand(), t.scaleAdviseCommand(), t.scaleSetCommand(),
		t.scaleOrderCommand("pause", "Keep a workload as it is; decisions are still told"),
		t.scaleOrderCommand("resume", "Let a paused workload be scaled again"),
		t.scaleOrderCommand("auto", "Withdraw every order: a size that was set, a pause, a dry run"),
	)
	return cmd
}

func (t *terminal) scaleStatusCommand() *cobra.Command {
	var output format
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the latest decision for each workload",
		Example: `  trivet scale status
  trivet scale status -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := t.askAutoscaler(cmd, http.MethodGet, "/decisions", nil)
			if err != nil {
				return err
			}
			var status scaleStatus
			if err := json.Unmarshal(body, &status); err != nil {
				return fmt.Errorf("read the autoscaler's answer: %w", err)
			}
			if !output.isText() {
				return output.document(t.out, status)
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			for _, s := range status.Workloads {
				kept := ""
				if s.NotApplied != "" {
					kept = " (not applied: " + s.NotApplied + ")"
				}
				fmt.Fprintf(w, "%s\t%s\t%s%s\n", s.Workload, s.At.Local().Format(time.TimeOnly), s.Explanation, kept)
			}
			if !status.Leading {
				fmt.Fprintln(t.err, "this replica stands by; another one decides")
			}
			return w.Flush()
		},
	}
	output.flag(cmd)
	return cmd
}

func (t *terminal) scaleSetCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "set WORKLOAD REPLICAS",
		Short:   "Fix a workload's size until trivet scale auto",
		Example: "  trivet scale set trivet-api 12",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			size, err := strconv.Atoi(args[1])
			if err != nil || size < 0 {
				return usageError{errors.New("the size has to be a number of 0 or more")}
			}
			return t.orderScale(cmd, args[0], map[string]any{"action": "set", "replicas": size})
		},
	}
}

func (t *terminal) scaleOrderCommand(action, short string) *cobra.Command {
	return &cobra.Command{
		Use:     action + " WORKLOAD",
		Short:   short,
		Example: "  trivet scale " + action + " trivet-api",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.orderScale(cmd, args[0], map[string]any{"action": action})
		},
	}
}

func (t *terminal) orderScale(cmd *cobra.Command, workload string, order map[string]any) error {
	body, err := json.Marshal(order)
	if err != nil {
		return err
	}
	_, err = t.askAutoscaler(cmd, http.MethodPost, "/orders/"+url.PathEscape(workload), body)
	return err
}

// askAutoscaler sends a request and gives the answer's body.
func (t *terminal) askAutoscaler(cmd *cobra.Command, method, path string, body []byte) ([]byte, error) {
	var cfg config.AutoscalerClient
	if err := config.Load(t.environ, &cfg); err != nil {
		return nil, err
	}
	if flag := cmd.Flag("autoscaler"); flag.Changed {
		cfg.URL = flag.Value.String()
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), scaleTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(cfg.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, usageError{fmt.Errorf("the autoscaler's URL: %w", err)}
	}
	if token := cfg.Token.Reveal(); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, &kv.Error{Code: kv.CodeUnavailable, Detail: "the autoscaler cannot be reached", Cause: err}
	}
	defer func() { _ = response.Body.Close() }()
	const maxAnswer = 64 << 20
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, &kv.Error{Code: kv.CodeUnavailable, Detail: "the autoscaler's answer broke off", Cause: err}
	case response.StatusCode == http.StatusNotFound:
		return nil, &kv.Error{Code: kv.CodeNotFound, Detail: strings.TrimSpace(string(answer))}
	case response.StatusCode >= http.StatusBadRequest:
		return nil, fmt.Errorf("the autoscaler answered %s: %s", response.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
