package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/services/autoscaler/advise"
)

// scaleAdvice is the autoscaler's report, and with prices what nodes would have
// cost.
type scaleAdvice struct {
	advise.Report
	Prices *advisedPrices `json:"prices,omitempty"`
}

// advisedPrices compares nodes for pods as they are with nodes for pods as they
// are advised.
type advisedPrices struct {
	Region string `json:"region"`
	// Present and Advised are by type of node, the cheapest first.
	Present []advise.NodePlan `json:"present"`
	Advised []advise.NodePlan `json:"advised"`
	// SavingUSD is between the cheapest of both, for a month.
	SavingUSD float64 `json:"saving_month_usd"`
}

func (t *terminal) scaleAdviseCommand() *cobra.Command {
	var (
		output         format
		prices, region string
	)
	cmd := &cobra.Command{
		Use:   "advise WORKLOAD",
		Short: "Show which requests, limits and nodes would have sufficed",
		Long: `Show which requests and limits would have sufficed for what the pods of a
workload really used since the autoscaler started. With --prices, a table of
prices in CSV (region,service,item,unit,usd,date,source; the repository has one
in infra/cost/prices.csv), it also shows what the pods cost on each type of
node, as they are and as they are advised.`,
		Example: `  trivet scale advise trivet-api
  trivet scale advise trivet-api --prices infra/cost/prices.csv --region eu-west-1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := t.askAutoscaler(cmd, http.MethodGet, "/advice/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			var advice scaleAdvice
			if err := json.Unmarshal(body, &advice.Report); err != nil {
				return fmt.Errorf("read the autoscaler's answer: %w", err)
			}
			if prices != "" {
				if advice.Prices, err = price(&advice.Report, prices, region); err != nil {
					return usageError{err}
				}
			}
			if !output.isText() {
				return output.document(t.out, advice)
			}
			return t.showAdvice(&advice)
		},
	}
	output.flag(cmd)
	cmd.Flags().StringVar(&prices, "prices", "", "file of a table of prices, CSV")
	cmd.Flags().StringVar(&region, "region", "us-east-1", "region whose prices count")
	return cmd
}

// price works out what the pods cost on the nodes of a table.
func price(report *advise.Report, file, region string) (*advisedPrices, error) {
	table, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = table.Close() }()
	nodes, err := advise.ReadNodes(table, region)
	if err != nil {
		return nil, err
	}
	p := &advisedPrices{
		Region:  region,
		Present: advise.Plan(report.Requested, report.Sizes, nodes),
		Advised: advise.Plan(advise.Usage{CPUs: report.CPURequest, Memory: report.MemoryRequest}, report.Sizes, nodes),
	}
	if len(p.Present) > 0 && len(p.Advised) > 0 {
		p.SavingUSD = p.Present[0].MonthUSD - p.Advised[0].MonthUSD
	}
	return p, nil
}

// cheapest types of nodes are shown.
const cheapest = 5

func (t *terminal) showAdvice(a *scaleAdvice) error {
	const mebibyte = 1 << 20
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "since\t%s\n", a.Since.Local().Format(time.DateTime))
	fmt.Fprintf(w, "used\t%.2f cores, 99 of 100 times at most %.2f\t%.0f MiB at most\n", a.CPUTypical, a.CPUBusy, a.MemoryPeak/mebibyte)
	fmt.Fprintf(w, "requested\t%.2f cores\t%.0f MiB\n", a.Requested.CPUs, a.Requested.Memory/mebibyte)
	fmt.Fprintf(w, "advised request\t%.2f cores\t%.0f MiB\n", a.CPURequest, a.MemoryRequest/mebibyte)
	fmt.Fprintf(w, "advised limit\tnone\t%.0f MiB\n", a.MemoryLimit/mebibyte)
	if a.Prices == nil {
		fmt.Fprintln(w, "cost\tunknown: no prices are given (--prices)")
		return w.Flush()
	}
	for _, plans := range []struct {
		of    string
		plans []advise.NodePlan
	}{{"as requested", a.Prices.Present}, {"as advised", a.Prices.Advised}} {
		if len(plans.plans) == 0 {
			fmt.Fprintf(w, "%s\tno type of node is known to take such a pod\n", plans.of)
		}
		for _, p := range plans.plans[:min(cheapest, len(plans.plans))] {
			fmt.Fprintf(w, "%s\t%s, %d pods each, %d nodes at most\t$%.0f a month\n", plans.of, p.Type, p.PodsPerNode, p.MostNodes, p.MonthUSD)
		}
	}
	fmt.Fprintf(w, "saving\t\t$%.0f a month\n", a.Prices.SavingUSD)
	return w.Flush()
}
