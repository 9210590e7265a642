package guardrails

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// A Report is what the rules found in a graph.
type Report struct {
	Passed   int         `json:"passed"` // rules that nothing breaks
	Failed   []Violation `json:"failed"`
	Waived   []Violation `json:"waived"`
	Warnings []string    `json:"warnings,omitempty"` // waivers that nothing needs
	Errors   []string    `json:"errors,omitempty"`   // waivers that do not hold
}

// A Violation is a resource that breaks a rule.
type Violation struct {
	Rule     string   `json:"rule"`
	IDs      []string `json:"ids,omitempty"`
	Resource string   `json:"resource,omitempty"` // URN; empty when a resource is missing
	Detail   string   `json:"detail"`
	Reason   string   `json:"reason"` // of the rule, or of the waiver where there is one
	Fix      string   `json:"fix,omitempty"`
}

// String is how people read it.
func (v Violation) String() string {
	where := v.Resource
	if i := strings.LastIndex(where, "::"); i >= 0 {
		where = where[i+len("::"):]
	}
	if where == "" {
		where = "the stack"
	}
	return fmt.Sprintf("%s: %s: %s\n      why: %s (%s)\n      fix: %s", v.Rule, where, v.Detail, v.Reason, strings.Join(v.IDs, ", "), v.Fix)
}

// Check judges a graph by every rule of its tier.
func Check(g graph.Graph, tier platform.Tier, waivers []stack.Waiver, now time.Time) Report {
	report := Report{Failed: []Violation{}, Waived: []Violation{}}
	book := newWaivers(waivers, now)
	for _, rule := range Rules() {
		if rule.Production && tier != platform.Prod {
			continue
		}
		findings := rule.Check.of(g)
		if len(findings) == 0 {
			report.Passed++
		}
		for _, finding := range findings {
			report.add(rule, finding, book)
		}
	}
	report.Errors = book.errors
	report.Warnings = book.unused()
	return report
}

func (r *Report) add(rule Rule, finding Finding, book *waiverBook) {
	violation := violationOf(rule, finding)
	if waiver := book.covering(rule.Name, finding.URN); waiver != nil {
		violation.Reason, violation.Fix = waiver.Reason, ""
		r.Waived = append(r.Waived, violation)
		return
	}
	r.Failed = append(r.Failed, violation)
}

func violationOf(rule Rule, finding Finding) Violation {
	return Violation{
		Rule: rule.Name, IDs: rule.IDs, Resource: finding.URN, Detail: finding.Detail, Reason: rule.Reason, Fix: rule.Fix,
	}
}

// OK tells whether nothing is broken and every waiver holds.
func (r Report) OK() bool { return len(r.Failed) == 0 && len(r.Errors) == 0 }

// Stops tells whether what is wrong stops a stack of a tier: everything does in
// production, and a waiver that does not hold does everywhere.
func (r Report) Stops(tier platform.Tier) bool {
	return len(r.Errors) > 0 || tier == platform.Prod && !r.OK()
}

// String lists what is broken, and is empty when nothing is.
func (r Report) String() string {
	var text strings.Builder
	for _, wrong := range r.Errors {
		fmt.Fprintf(&text, "  - %s\n", wrong)
	}
	for _, violation := range r.Failed {
		fmt.Fprintf(&text, "  - %s\n", violation)
	}
	return text.String()
}

// waiverBook says which findings are waived, and keeps account of the use of
// each waiver.
type waiverBook struct {
	waivers []stack.Waiver
	used    []bool
	errors  []string
}

func newWaivers(waivers []stack.Waiver, now time.Time) *waiverBook {
	book := &waiverBook{}
	for _, waiver := range waivers {
		switch {
		case !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == waiver.Rule }):
			book.errors = append(book.errors, fmt.Sprintf("waiver of %s: there is no such rule", waiver.Rule))
		case strings.TrimSpace(waiver.Reason) == "":
			book.errors = append(book.errors, fmt.Sprintf("waiver of %s: it has no reason", waiver.Rule))
		case waiver.ExpiredAt(now):
			book.errors = append(book.errors, fmt.Sprintf("waiver of %s for %s: it ended on %s", waiver.Rule, waiver.Resource, waiver.Expires))
		default:
			book.waivers = append(book.waivers, waiver)
		}
	}
	book.used = make([]bool, len(book.waivers))
	return book
}

// covering gives a waiver of the rule for the resource. Its resource is a URN
// or a logical name, with * for any run of characters but a slash.
func (b *waiverBook) covering(rule, urn string) *stack.Waiver {
	name := urn[strings.LastIndex(urn, ":")+1:]
	for i, waiver := range b.waivers {
		if waiver.Rule == rule && (matches(waiver.Resource, urn) || matches(waiver.Resource, name)) {
			b.used[i] = true
			return &b.waivers[i]
		}
	}
	return nil
}

func matches(pattern, text string) bool {
	match, err := path.Match(pattern, text)
	return err == nil && match
}

func (b *waiverBook) unused() []string {
	var unused []string
	for i, waiver := range b.waivers {
		if !b.used[i] {
			unused = append(unused, fmt.Sprintf("waiver of %s for %s: nothing needs it any more", waiver.Rule, waiver.Resource))
		}
	}
	return unused
}
