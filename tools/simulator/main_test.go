package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/services/autoscaler/simulator"
)

func TestKnativesAutoscalerIsTriedBesideTheOthers(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	args := []string{"--generate", "diurnal", "--seed", "201", "--days", "3", "--score-from", "48h", "-o", "json"}
	if code := run(args, &out, &err); code != 0 {
		t.Fatalf("exit %d: %s", code, err.String())
	}
	var rows []simulator.Row
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range rows {
		names = append(names, row.Policy)
	}
	if got := strings.Join(names, ","); got != "trivet,hpa,keda,kpa" {
		t.Fatalf("tried %s", got)
	}
	for _, c := range simulator.Compare("trivet", rows) {
		if c.PodHours > 1.1 {
			t.Errorf("%+v", c)
		}
	}
}

func TestAConsumerIsTriedWithoutKnatives(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	args := []string{"--workload", "consumer", "--generate", "diurnal", "--days", "1", "-o", "json"}
	if code := run(args, &out, &err); code != 0 || strings.Contains(out.String()+err.String(), "kpa") {
		t.Errorf("exit %d: %s%s", code, out.String(), err.String())
	}
}

func TestWrongUsageExitsWithTwo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--polcy kpa", exitUsage, "unknown flag: --polcy\nSee trivet simulate --help"},
		{"--output yaml", exitUsage, "--output has to be table, json or html"},
		{"--target 2", exitUsage, "the target 2 has to be above 0"},
		{"--generate noon", exitFailed, `no trace is called "noon"`},
		{"--workload consumer --policy kpa --days 1", exitFailed, `is called "kpa"`},
		{"--config elsewhere.yaml --target 2", exitUsage, "the target 2"},
	} {
		var out, err bytes.Buffer
		if code := run(strings.Fields(c.args), &out, &err); code != c.code || !strings.Contains(err.String(), c.want) {
			t.Errorf("%s: exit %d, %s", c.args, code, err.String())
		}
	}
}
