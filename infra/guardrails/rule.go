// Package guardrails holds what every stack has to show, as named rules over
// the graph of its resources. In production a broken rule stops a preview and
// a deployment; elsewhere it is a warning.
package guardrails

import (
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

// A Rule is one thing that has to hold.
type Rule struct {
	Name   string
	Reason string   // what happens to those who break it
	IDs    []string // the same demand in others' catalogues
	Fix    string   // a command to run, or the setting to change

	// Production rules are about availability and loss, which other tiers
	// give up for the price; they are not judged there.
	Production bool

	Check Condition
}

// A Condition finds what breaks a rule: within one resource, which can be told
// when that is registered, or in the graph as a whole.
type Condition struct {
	types  []string
	broken Test
	whole  func(graph.Graph) []Finding
}

// A Finding is a resource that breaks a rule, and how.
type Finding struct {
	URN    string // of the stack's first resource concerned; empty when one is missing
	Detail string
}

// A Test tells what is wrong with a resource, or "".
type Test func(graph.Resource) string

// each has every resource of the types pass all tests.
func each(types []string, tests ...Test) Condition {
	return Condition{types: types, broken: all(tests...)}
}

// whole judges the graph.
func whole(judge func(graph.Graph) []Finding) Condition { return Condition{whole: judge} }

// within applies a check of single resources to one of them.
func (c Condition) within(r graph.Resource) []Finding {
	if c.broken == nil || !slices.Contains(c.types, r.Type) {
		return nil
	}
	if detail := c.broken(r); detail != "" {
		return []Finding{{r.URN, detail}}
	}
	return nil
}

// of applies a check to a graph.
func (c Condition) of(g graph.Graph) []Finding {
	if c.whole != nil {
		return c.whole(g)
	}
	var findings []Finding
	for _, r := range g {
		findings = append(findings, c.within(r)...)
	}
	return findings
}

// A Tier is the rules about one part of the platform.
type Tier struct {
	Name  string
	Rules []Rule
}

// Tiers gives all rules, part by part.
func Tiers() []Tier {
	return []Tier{
		{"Network", networkRules},
		{"Cluster", clusterRules},
		{"Nodes", nodeRules},
		{"Registry", registryRules},
		{"Identity", identityRules},
		{"Cache", cacheRules},
		{"Database", databaseRules},
		{"Broker", brokerRules},
		{"Balancer", balancerRules},
		{"Firewall", firewallRules},
		{"CDN", cdnRules},
		{"DNS", dnsRules},
		{"Observability", observabilityRules},
		{"Audit", auditRules},
		{"Keys", keyRules},
		{"Buckets", bucketRules},
		{"Backup", backupRules},
		{"Protection", protectionRules},
		{"Workloads", workloadRules},
		{"Pods", podRules},
		{"Namespaces", namespaceRules},
	}
}

// Rules gives all rules.
func Rules() []Rule {
	var rules []Rule
	for _, tier := range Tiers() {
		rules = append(rules, tier.Rules...)
	}
	return rules
}
