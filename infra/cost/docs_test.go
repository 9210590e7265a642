package cost

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the estimates into docs/cost.md")

const (
	page  = "../../docs/cost.md"
	begin = "<!-- The estimates: go test ./infra/cost -run Documented -update -->\n"
)

// recorded is the estimate of a stack, as trivet cost -o json wrote it. The
// rehearsals hold it against the stack as it is.
func recorded(t *testing.T, stack string) Report {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", stack+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var report Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatalf("%s: %v", stack, err)
	}
	return report
}

func TestEstimatesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, written, found := strings.Cut(string(text), begin)
	if !found {
		t.Fatalf("%s has no line %q", page, begin)
	}
	want := documentation(recorded(t, "prod-aws"), recorded(t, "lean-aws"), recorded(t, "reference-aws"))
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != want {
		t.Errorf("%s does not have the estimates as they are; the line before them says how to write them", page)
	}
}

func TestLeanCostsLessThanHalfOfTheReference(t *testing.T) {
	t.Parallel()
	const limit = 0.45
	lean, reference := recorded(t, "lean-aws"), recorded(t, "reference-aws")
	if ratio := lean.MonthlyUSD / reference.MonthlyUSD; ratio > limit {
		t.Errorf("fixed charges of %.2f are %.3f of %.2f", lean.MonthlyUSD, ratio, reference.MonthlyUSD)
	}
}

func TestEverythingOfTheStacksHasAPrice(t *testing.T) {
	t.Parallel()
	for _, stack := range []string{"prod-aws", "lean-aws", "reference-aws"} {
		if unpriced := recorded(t, stack).Unpriced; len(unpriced) > 0 {
			t.Errorf("%s: no price of %v", stack, unpriced)
		}
	}
}

// A claim is a line of the plan that the project began with.
type claim struct {
	what     string
	usd      float64
	concerns func(Line) bool
}

func inTier(tier string) func(Line) bool {
	return func(l Line) bool { return l.Tier == tier && !l.Usage }
}

// claims are the plan, line by line. What they do not concern, it has not
// thought of.
var claims = []claim{
	{"EKS, 3 m5.large", 300, inTier("Cluster")},
	{"3 cache.m5.large", 400, inTier("Cache")},
	{"Aurora, db.r5.large, 100 GB", 350, func(l Line) bool { return inTier("Database")(l) || l.Item == "database I/O" }},
	{"mq.m5.large", 200, inTier("Broker")},
	{"balancer, 5 TB", 250, func(l Line) bool {
		return inTier("Edge")(l) || l.Item == "balancer capacity" || l.Item == "transfer to the internet" || l.Item == "access logs"
	}},
	{"CloudWatch", 100, func(l Line) bool {
		return inTier("Observability")(l) || l.Usage && (strings.Contains(l.Item, "logs of") || strings.HasPrefix(l.Item, "metrics") || l.Item == "database logs")
	}},
	{"backups, 500 GB", 50, inTier("Backup")},
}

func documentation(prod, lean, reference Report) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n## The stacks\n\nUSD a month, prices of %s, usage at %d reads/s and %d writes/s of %d bytes with %d GB out.\n\n",
		prod.PricesOf, prod.Load.ReadsPerSecond, prod.Load.WritesPerSecond, prod.Load.ValueBytes, prod.Load.EgressGB)
	text.WriteString("| | prod-aws | lean-aws | reference-aws |\n|---|---:|---:|---:|\n")
	row := func(name string, of func(Report) float64) {
		fmt.Fprintf(&text, "| %s | %.2f | %.2f | %.2f |\n", name, of(prod), of(lean), of(reference))
	}
	for _, tier := range names(prod.Tiers, reference.Tiers) {
		row(tier, func(r Report) float64 { return r.Tiers[tier] })
	}
	row("**fixed**: what runs, used or not", func(r Report) float64 { return r.MonthlyUSD })
	for _, item := range names(prod.Usage, reference.Usage) {
		row(item, func(r Report) float64 { return r.Usage[item] })
	}
	row("**usage**", func(r Report) float64 { return r.UsageUSD })
	fmt.Fprintf(&text, "\nFixed charges of lean-aws are %.2f of those of reference-aws.\n", lean.MonthlyUSD/reference.MonthlyUSD)
	text.WriteString(plan(reference))
	return text.String()
}

// plan shows the plan's claims beside the estimate of its sizing.
func plan(reference Report) string {
	var text strings.Builder
	text.WriteString("\n## The plan's claim\n\n" +
		"The plan that the project began with put $1,650 a month to its sizing, which is that of reference-aws.\n\n" +
		"| | claimed | fixed | usage | what it is made of |\n|---|---:|---:|---:|---|\n")
	var claimed float64
	left := reference.Lines
	for _, c := range claims {
		var concerned, rest []Line
		for _, line := range left {
			if c.concerns(line) {
				concerned = append(concerned, line)
			} else {
				rest = append(rest, line)
			}
		}
		left = rest
		claimed += c.usd
		fixed, usage := sums(concerned)
		fmt.Fprintf(&text, "| %s | %.0f | %.2f | %.2f | %s |\n", c.what, c.usd, fixed, usage, parts(concerned))
	}
	fixed, usage := sums(left)
	fmt.Fprintf(&text, "| not thought of | | %.2f | %.2f | %s |\n", fixed, usage, parts(left))
	fmt.Fprintf(&text, "| **sum** | **%.0f** | **%.2f** | **%.2f** | %.2f together |\n",
		claimed, reference.MonthlyUSD, reference.UsageUSD, reference.MonthlyUSD+reference.UsageUSD)
	return text.String()
}

func sums(lines []Line) (fixed, usage float64) {
	for _, line := range lines {
		if line.Usage {
			usage += line.USD
		} else {
			fixed += line.USD
		}
	}
	return fixed, usage
}

// parts adds the lines up by item, the greater ones first.
func parts(lines []Line) string {
	items := map[string]float64{}
	for _, line := range lines {
		items[line.Item] += line.USD
	}
	var texts []string
	for _, item := range names(items, nil) {
		texts = append(texts, fmt.Sprintf("%s %.2f", item, items[item]))
	}
	return strings.Join(texts, ", ")
}
