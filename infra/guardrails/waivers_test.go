package guardrails

import (
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// publicDatabase is the good graph with two instances open to everybody.
func publicDatabase(t *testing.T) graph.Graph {
	g := good()
	set("database-1", "publiclyAccessible", true)(t, g)
	set("database-2", "publiclyAccessible", true)(t, g)
	return g
}

func TestWaivers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		waiver          stack.Waiver
		failed, waived  int
		errors, warning string
	}{
		{"of one resource by its name", stack.Waiver{Rule: "database-private", Resource: "database-1", Reason: "r", Expires: "2026-11-23"}, 1, 1, "", ""},
		{"of one resource by its URN", stack.Waiver{Rule: "database-private", Resource: urn("database-1"), Reason: "r", Expires: "2027-01-01"}, 1, 1, "", ""},
		{"of several by a pattern", stack.Waiver{Rule: "database-private", Resource: "database-*", Reason: "r", Expires: "2027-01-01"}, 0, 2, "", ""},
		{"of another resource", stack.Waiver{Rule: "database-private", Resource: "database-3", Reason: "r", Expires: "2027-01-01"}, 2, 0, "", "nothing needs it"},
		{"of another rule", stack.Waiver{Rule: "database-tls", Resource: "database-*", Reason: "r", Expires: "2027-01-01"}, 2, 0, "", "nothing needs it"},
		{"that has ended", stack.Waiver{Rule: "database-private", Resource: "database-*", Reason: "r", Expires: "2026-11-22"}, 2, 0, "ended on 2026-11-22", ""},
		{"without a reason", stack.Waiver{Rule: "database-private", Resource: "database-*", Reason: " ", Expires: "2027-01-01"}, 2, 0, "no reason", ""},
		{"of a rule that does not exist", stack.Waiver{Rule: "database-secret", Resource: "*", Reason: "r", Expires: "2027-01-01"}, 2, 0, "no such rule", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := Check(publicDatabase(t), "prod", []stack.Waiver{c.waiver}, today)
			if len(report.Failed) != c.failed || len(report.Waived) != c.waived {
				t.Errorf("%d failed and %d waived, want %d and %d", len(report.Failed), len(report.Waived), c.failed, c.waived)
			}
			if got := strings.Join(report.Errors, " "); !strings.Contains(got, c.errors) || (c.errors == "") != (got == "") {
				t.Errorf("errors %q, want %q", got, c.errors)
			}
			if got := strings.Join(report.Warnings, " "); !strings.Contains(got, c.warning) || (c.warning == "") != (got == "") {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
			if c.errors != "" && report.OK() {
				t.Error("a waiver that does not hold is an error")
			}
		})
	}
}

func TestWaivedViolationsShowTheirReason(t *testing.T) {
	t.Parallel()
	waiver := stack.Waiver{Rule: "database-private", Resource: "*", Reason: "moves inside next week", Expires: "2027-01-01"}
	report := Check(publicDatabase(t), "prod", []stack.Waiver{waiver}, today)
	if !report.OK() || report.Waived[0].Reason != waiver.Reason {
		t.Errorf("got %+v", report.Waived)
	}
}

func TestViolationsAreReadable(t *testing.T) {
	t.Parallel()
	text := Check(publicDatabase(t), "prod", nil, today).String()
	for _, want := range []string{"database-private: database-1: publiclyAccessible is true, want false", "why: ", "CKV_AWS_17", "fix: pulumi config set"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestRulesOfProductionAreNotForOtherTiers(t *testing.T) {
	t.Parallel()
	g := good()
	set("database", "deletionProtection", false)(t, g)
	if report := Check(g, "dev", nil, today); !report.OK() {
		t.Errorf("dev breaks\n%s", report)
	}
	set("database", "iamDatabaseAuthenticationEnabled", false)(t, g)
	if report := Check(g, "dev", nil, today); len(report.Failed) != 1 {
		t.Errorf("dev breaks\n%s", report)
	}
}

func TestOnlyWhatIsThereIsJudged(t *testing.T) {
	t.Parallel()
	if report := Check(goodWorkloads(), "prod", nil, today); !report.OK() {
		t.Errorf("workloads on a cloud of another stack break\n%s", report)
	}
	if report := Check(nil, "prod", nil, today); !report.OK() {
		t.Errorf("nothing at all breaks\n%s", report)
	}
}

func TestWhatStopsAStack(t *testing.T) {
	t.Parallel()
	ended := stack.Waiver{Rule: "database-private", Resource: "database-*", Reason: "r", Expires: "2026-11-22"}
	for _, c := range []struct {
		name    string
		graph   graph.Graph
		waivers []stack.Waiver
		tier    platform.Tier
		stops   bool
	}{
		{"nothing, where nothing is wrong", good(), nil, platform.Prod, false},
		{"a broken rule, in production", publicDatabase(t), nil, platform.Prod, true},
		{"a broken rule is a warning elsewhere", publicDatabase(t), nil, platform.Dev, false},
		{"a waiver that has ended, everywhere", good(), []stack.Waiver{ended}, platform.Dev, true},
	} {
		if got := Check(c.graph, c.tier, c.waivers, today).Stops(c.tier); got != c.stops {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestProductionRefusesAResourceWhereItIsRegistered(t *testing.T) {
	t.Parallel()
	g := publicDatabase(t)
	instance := *find(t, g, "database-1")
	for _, c := range []struct {
		name    string
		guard   Guard
		refused bool
	}{
		{"in production", Guard{tier: "prod", now: today}, true},
		{"a preview goes on to the whole list", Guard{preview: true, tier: "prod", now: today}, false},
		{"elsewhere it only warns", Guard{tier: "staging", now: today}, false},
		{"unless it is waived", Guard{tier: "prod", now: today, waivers: []stack.Waiver{
			{Rule: "database-private", Resource: "database-1", Reason: "r", Expires: "2027-01-01"},
		}}, false},
	} {
		if err := c.guard.refuse(instance); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	whole := Guard{tier: "prod", now: today}
	if err := whole.refuse(*find(t, g, "vpc")); err != nil {
		t.Errorf("what takes the whole graph is not judged at a registration: %v", err)
	}
}
