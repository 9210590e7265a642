package rehearsal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/program"
	"github.com/trivetkv/trivet/infra/rehearsal"
)

// turns lets two stacks be rehearsed at a time: each runs an engine.
var turns = make(chan struct{}, 2)

// turn waits for one; what it gives ends it.
func turn() func() {
	turns <- struct{}{}
	return func() { <-turns }
}

// ours gives options to rehearse a stack of this repository.
func ours(t *testing.T, stack string) rehearsal.Options {
	t.Helper()
	return rehearsal.Options{
		Root: root, Stack: stack, Program: program.Run, Pulumi: cli(t),
		Judge: rehearsal.Judge(stack, time.Now), Progress: progress{t}, Now: time.Now,
	}
}

// stacks gives the names of the stacks of this repository.
func stacks(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "stacks", "Pulumi.*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("stacks %v: %v", files, err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml"))
	}
	return names
}

func TestEveryStackIsMadeRepairedAndDestroyed(t *testing.T) {
	t.Parallel()
	for _, stack := range stacks(t) {
		t.Run(stack, func(t *testing.T) {
			t.Parallel()
			defer turn()()
			report, err := rehearsal.Run(t.Context(), ours(t, stack))
			if err != nil {
				t.Fatal(err)
			}
			unknown, err := rehearsal.PlanUnknown(t.Context(), ours(t, stack))
			if err != nil {
				t.Fatal(err)
			}
			// One that is made within an apply would be missing.
			if unknown["create"] != report.Resources.Total {
				t.Errorf("%d resources while nothing is known, %d once everything is", unknown["create"], report.Resources.Total)
			}
			for step, want := range map[string]string{"preview": "create", "up": "create", "again": "same", "destroy": "delete"} {
				if got := report.Steps[step][want]; got != report.Resources.Total || len(report.Steps[step]) != 1 {
					t.Errorf("%s: %s, want %s %d", step, report.Steps[step], want, report.Resources.Total)
				}
			}
			hasParents(t, report.Graph())
			isRecorded(t, stack, report.Cost)
			if production(t, stack) {
				isGuarded(t, report.Graph())
				for _, violation := range report.Guardrails.Failed {
					t.Error(violation)
				}
			}
		})
	}
}

func TestAStackCanBeMadeInTwoLayers(t *testing.T) {
	t.Parallel()
	defer turn()()
	report, err := rehearsal.Run(t.Context(), rehearsal.Layers(ours(t, "dev-aws")))
	if err != nil {
		t.Fatal(err)
	}
	for typ := range report.Resources.Types {
		if strings.HasPrefix(typ, "aws:") {
			t.Errorf("the layer of the workloads has a %s", typ)
		}
	}
	if report.Resources.Types["kubernetes:apps/v1:Deployment"] == 0 {
		t.Error("the layer of the workloads has no Deployment")
	}
}

// production tells whether a stack is of that tier.
func production(t *testing.T, stack string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "stacks", "Pulumi."+stack+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "trivet:tier: prod\n")
}

// hasParents wants every resource of a provider to be part of a component.
func hasParents(t *testing.T, g graph.Graph) {
	t.Helper()
	for _, r := range g {
		switch {
		case r.Component() || strings.HasPrefix(r.Type, "pulumi:"):
		case g.Tier(r) == "":
			t.Errorf("%s is part of no component", r.URN)
		}
	}
}

// guarded are the types that production protects, and retains where they hold
// data or the key to it.
var guarded = map[string]bool{ // whether it is retained
	"aws:ec2/vpc:Vpc":                                   false,
	"aws:eks/cluster:Cluster":                           false,
	"aws:rds/cluster:Cluster":                           true,
	"aws:elasticache/replicationGroup:ReplicationGroup": true,
	"aws:mq/broker:Broker":                              true,
	"aws:kms/key:Key":                                   true,
	"aws:s3/bucketV2:BucketV2":                          true,
	"aws:backup/vault:Vault":                            true,
}

func isGuarded(t *testing.T, g graph.Graph) {
	t.Helper()
	for _, r := range g {
		retained, wanted := guarded[r.Type]
		if wanted && !r.Protect {
			t.Errorf("%s is not protected", r.URN)
		}
		if retained && !r.RetainOnDelete {
			t.Errorf("%s is not retained", r.URN)
		}
	}
}
