// Package cost estimates what a graph of resources costs in a month, by a
// table of prices that is part of the program. What runs whether anybody uses
// it or not is counted apart from what usage costs, which is estimated for a
// stated load. What has no price is listed, and never counted as nothing.
package cost

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/stack"
)

// hoursPerMonth is AWS's own: 365 days of 24 hours over 12 months.
const hoursPerMonth = 730

// Assumptions are what an estimate takes from a stack's configuration, beyond
// its graph.
type Assumptions struct {
	Region     string
	Load       stack.Traffic
	DatabaseGB int // stored in the database
	BackupGB   int // stored in each vault of backups
}

// Assume takes the assumptions from a configuration.
func Assume(cfg stack.Config) Assumptions {
	return Assumptions{
		Region: cfg.Spec.Region, Load: cfg.Load,
		DatabaseGB: cfg.Spec.Database.StorageGB, BackupGB: cfg.Spec.Backup.SizeGB,
	}
}

// A Report is an estimate, in US dollars a month.
type Report struct {
	MonthlyUSD float64            `json:"monthly_usd"` // what runs, used or not
	Tiers      map[string]float64 `json:"tiers"`       // MonthlyUSD by part of the platform
	UsageUSD   float64            `json:"usage_usd"`
	Usage      map[string]float64 `json:"usage"` // UsageUSD by item
	Lines      []Line             `json:"lines"` // everything that is in the two sums
	Unpriced   []string           `json:"unpriced"`
	Free       []FreeType         `json:"free"`
	PricesOf   string             `json:"prices_of"` // date of the oldest price used
	Load       stack.Traffic      `json:"load"`
}

// A Line is one charge.
type Line struct {
	Tier     string  `json:"tier"`
	Resource string  `json:"resource,omitempty"` // logical name; empty for usage of several
	Item     string  `json:"item"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"`
	Price    float64 `json:"price"` // USD for one unit
	USD      float64 `json:"usd"`   // a month
	Usage    bool    `json:"usage"`
}

// A FreeType is a type of resource that costs nothing, and why.
type FreeType struct {
	Type   string `json:"type"`
	Count  int    `json:"count"`
	Reason string `json:"reason"`
}

// Estimate gives what a graph costs.
func Estimate(g graph.Graph, assume Assumptions) Report {
	e := &estimate{graph: g, Assumptions: assume, report: Report{
		Tiers: map[string]float64{}, Usage: map[string]float64{}, Lines: []Line{}, Unpriced: []string{}, Free: []FreeType{}, Load: assume.Load,
	}}
	free := map[string]int{}
	for _, r := range g {
		if r.Component() || strings.HasPrefix(r.Type, "pulumi:") {
			continue
		}
		charge, charged := charges[r.Type]
		_, metered := meteredTypes[r.Type]
		switch {
		case charged:
			charge(e, r)
		case metered:
		case freeReason(r.Type) != "":
			free[r.Type]++
		default:
			e.unpriced(r.Type)
		}
	}
	e.addUsage()
	for _, kind := range slices.Sorted(maps.Keys(free)) {
		e.report.Free = append(e.report.Free, FreeType{kind, free[kind], freeReason(kind)})
	}
	slices.Sort(e.report.Unpriced)
	slices.SortStableFunc(e.report.Lines, func(a, b Line) int {
		if a.Usage != b.Usage {
			return cmp.Compare(fmt.Sprint(a.Usage), fmt.Sprint(b.Usage))
		}
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Item, b.Item))
	})
	return e.report.rounded()
}

// estimate is a report that is being made.
type estimate struct {
	Assumptions
	graph  graph.Graph
	report Report
}

// fixed adds a charge for a resource that runs the whole month.
func (e *estimate) fixed(r graph.Resource, service, item string, quantity float64) {
	e.add(Line{Tier: tierOf(e.graph, r), Resource: r.Name, Item: service + " " + item}, service, item, quantity)
}

// usage adds a charge for what the load uses.
func (e *estimate) usage(what, service, item string, quantity float64) {
	if quantity > 0 {
		e.add(Line{Tier: usageTier, Item: what, Usage: true}, service, item, quantity)
	}
}

const usageTier = "Usage"

func (e *estimate) add(line Line, service, item string, quantity float64) {
	found, ok := price(e.Region, service, item)
	if !ok {
		e.unpriced(fmt.Sprintf("%s: no price of %s in %s", cmp.Or(line.Resource, line.Item), item, e.Region))
		return
	}
	if found.Unit == "hour" {
		quantity *= hoursPerMonth
	}
	line.Quantity, line.Unit, line.Price, line.USD = quantity, found.Unit, found.USD, quantity*found.USD
	e.report.Lines = append(e.report.Lines, line)
	if e.report.PricesOf == "" || found.Date < e.report.PricesOf {
		e.report.PricesOf = found.Date
	}
	if line.Usage {
		e.report.UsageUSD += line.USD
		e.report.Usage[line.Item] += line.USD
		return
	}
	e.report.MonthlyUSD += line.USD
	e.report.Tiers[line.Tier] += line.USD
}

func (e *estimate) unpriced(what string) {
	if !slices.Contains(e.report.Unpriced, what) {
		e.report.Unpriced = append(e.report.Unpriced, what)
	}
}

func tierOf(g graph.Graph, r graph.Resource) string { return cmp.Or(g.Tier(r), "Stack") }

// rounded has cents.
func (r Report) rounded() Report {
	r.MonthlyUSD, r.UsageUSD = cents(r.MonthlyUSD), cents(r.UsageUSD)
	for tier, usd := range r.Tiers {
		r.Tiers[tier] = cents(usd)
	}
	for item, usd := range r.Usage {
		r.Usage[item] = cents(usd)
	}
	for i := range r.Lines {
		r.Lines[i].USD = cents(r.Lines[i].USD)
		r.Lines[i].Quantity = math.Round(r.Lines[i].Quantity*1000) / 1000
	}
	return r
}

func cents(usd float64) float64 { return math.Round(usd*100) / 100 }
