package rehearsal

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/trivetkv/trivet/infra/cost"
	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/guardrails"
)

// Report is what a rehearsal found.
type Report struct {
	Stack     string            `json:"stack"`
	Steps     map[string]Counts `json:"steps"` // preview, up, recover, again, refresh, repair, unprotect, destroy
	Resources Resources         `json:"resources"`
	Retained  []string          `json:"retained"` // URNs that destroy left in the account, as production wants it
	Verdict
	Seconds float64 `json:"seconds"`

	graph graph.Graph
}

// Verdict is what guardrails and prices make of a graph.
type Verdict struct {
	Guardrails guardrails.Report `json:"guardrails"`
	Cost       cost.Report       `json:"cost"`
}

// Resources are how many a stack consists of.
type Resources struct {
	Total int            `json:"total"`
	Tiers map[string]int `json:"tiers"` // by component, such as Network
	Types map[string]int `json:"types"` // by token
}

func (r *Report) count(g graph.Graph) {
	r.Resources = Resources{Tiers: map[string]int{}, Types: map[string]int{}}
	for _, resource := range g {
		if strings.HasPrefix(resource.Type, "pulumi:providers:") && strings.HasPrefix(resource.Name, "default") {
			continue // the engine's own
		}
		r.Resources.Total++
		r.Resources.Types[resource.Type]++
		if resource.Component() {
			continue
		}
		r.Resources.Tiers[cmp.Or(g.Tier(resource), "Stack")]++
	}
}

// Graph is everything that was made, as it was before the destroy.
func (r Report) Graph() graph.Graph { return r.graph }

// Write writes the report for a person.
func (r Report) Write(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\nRehearsal of %s: %d resources, %.0f s. Nothing was made in any account.\n\n", r.Stack, r.Resources.Total, r.Seconds)
	fmt.Fprintf(table, "TIER\tRESOURCES\tUSD/MONTH\n")
	for _, tier := range slices.Sorted(maps.Keys(r.Resources.Tiers)) {
		fmt.Fprintf(table, "%s\t%d\t%s\n", tier, r.Resources.Tiers[tier], dollars(r.Cost.Tiers[tier]))
	}
	fmt.Fprintf(table, "\t\t%s\tfixed, whatever the load\n", dollars(r.Cost.MonthlyUSD))
	fmt.Fprintf(table, "\t\t%s\tusage at the stated load\n\n", dollars(sum(r.Cost.Usage)))
	if len(r.Cost.Unpriced) > 0 {
		fmt.Fprintf(table, "Not priced: %s\n", strings.Join(r.Cost.Unpriced, ", "))
	}
	fmt.Fprintf(table, "Guardrails: %d passed, %d failed, %d waived\n", r.Guardrails.Passed, len(r.Guardrails.Failed), len(r.Guardrails.Waived))
	if text := r.Guardrails.String(); text != "" {
		fmt.Fprint(table, text)
	}
	if len(r.Retained) > 0 {
		fmt.Fprintf(table, "Kept by destroy, as production wants it: %d\n", len(r.Retained))
	}
	return table.Flush()
}

func sum(items map[string]float64) float64 {
	total := 0.0
	for _, name := range slices.Sorted(maps.Keys(items)) {
		total += items[name]
	}
	return total
}

func dollars(amount float64) string {
	if amount == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", amount)
}

func round(value float64, digits int) float64 {
	factor := math.Pow10(digits)
	return math.Round(value*factor) / factor
}
