package cost

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Write writes an estimate for people.
func (r Report) Write(to io.Writer, stack string) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(to, "What %s costs in a month, in USD; prices of AWS on demand, of %s\n\n", stack, r.PricesOf)
	fmt.Fprintf(table, "tier\tresource\titem\tquantity\tunit\tprice\tUSD\t\n")
	for _, line := range r.Lines {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t\n",
			line.Tier, line.Resource, line.Item, number(line.Quantity), line.Unit, number(line.Price), line.USD)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(to, "\n%.2f fixed: what runs, used or not\n%.2f usage, at %d reads/s and %d writes/s of %d bytes, %d GB out\n",
		r.MonthlyUSD, r.UsageUSD, r.Load.ReadsPerSecond, r.Load.WritesPerSecond, r.Load.ValueBytes, r.Load.EgressGB)
	if len(r.Unpriced) > 0 {
		fmt.Fprintf(to, "\nNot counted, for want of a price: %s\n", strings.Join(r.Unpriced, ", "))
	}
	if len(r.Free) > 0 {
		fmt.Fprintf(to, "\n%d types of resources are free\n", len(r.Free))
	}
	return nil
}

// Comparison is two estimates side by side.
type Comparison struct {
	Stack   string  `json:"stack"`
	Report  Report  `json:"report"`
	Other   string  `json:"other"`
	Against Report  `json:"against"`
	Ratio   float64 `json:"ratio"` // of the fixed charges, the stack's to the other's
}

// Compare puts two estimates beside each other.
func Compare(stack string, report Report, other string, against Report) Comparison {
	c := Comparison{Stack: stack, Report: report, Other: other, Against: against}
	if against.MonthlyUSD > 0 {
		c.Ratio = cents(report.MonthlyUSD / against.MonthlyUSD)
	}
	return c
}

// Write writes a comparison for people.
func (c Comparison) Write(to io.Writer) error {
	fmt.Fprintf(to, "USD in a month; prices of AWS on demand, of %s\n\n", min(c.Report.PricesOf, c.Against.PricesOf))
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "\t%s\t%s\t\n", c.Stack, c.Other)
	row := func(name string, one, other float64) { fmt.Fprintf(table, "%s\t%.2f\t%.2f\t\n", name, one, other) }
	for _, tier := range names(c.Report.Tiers, c.Against.Tiers) {
		row(tier, c.Report.Tiers[tier], c.Against.Tiers[tier])
	}
	row("FIXED", c.Report.MonthlyUSD, c.Against.MonthlyUSD)
	for _, item := range names(c.Report.Usage, c.Against.Usage) {
		row(item, c.Report.Usage[item], c.Against.Usage[item])
	}
	row("USAGE", c.Report.UsageUSD, c.Against.UsageUSD)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(to, "\nFixed charges of %s are %.2f of those of %s\n", c.Stack, c.Ratio, c.Other)
	for _, of := range []struct {
		stack    string
		unpriced []string
	}{{c.Stack, c.Report.Unpriced}, {c.Other, c.Against.Unpriced}} {
		if len(of.unpriced) > 0 {
			fmt.Fprintf(to, "Not counted of %s, for want of a price: %s\n", of.stack, strings.Join(of.unpriced, ", "))
		}
	}
	return nil
}

// names are the keys of two maps, those with the greater amounts first.
func names(one, other map[string]float64) []string {
	all := maps.Clone(one)
	for name, usd := range other {
		all[name] = max(all[name], usd)
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a, b))
	})
}

// number writes a number without the zeros at its end.
func number(n float64) string {
	text := fmt.Sprintf("%.4f", n)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}
