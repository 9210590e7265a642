package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/cost"
	"github.com/trivetkv/trivet/infra/graph"
)

const root = "../../.."

// file writes the file of a stack that is a NAT and nothing else.
func file(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	if err := graph.WriteLines(&text, graph.Graph{{
		URN: "urn:pulumi:lean-aws::trivet::aws:ec2/natGateway:NatGateway::nat", Type: "aws:ec2/natGateway:NatGateway", Name: "nat",
	}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "graph.jsonl")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheEstimateOfAFile(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-root", root, "-stack", "lean-aws", "-graph", file(t), "-output", "json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var report cost.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.MonthlyUSD != 32.85 {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := run(t.Context(), []string{"-root", root, "-stack", "lean-aws", "-graph", file(t)}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "32.85 fixed") {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestWhatCannotBeEstimated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no stack":          {nil, "which stack"},
		"an argument":       {[]string{"-stack", "lean-aws", "more"}, `unexpected argument "more"`},
		"an unknown form":   {[]string{"-stack", "lean-aws", "-output", "yaml"}, "table or json"},
		"an unknown stack":  {[]string{"-root", root, "-stack", "none"}, "is no stack's file"},
		"no such file":      {[]string{"-root", root, "-stack", "lean-aws", "-graph", "none.jsonl"}, "none.jsonl"},
		"no such directory": {[]string{"-root", t.TempDir(), "-stack", "lean-aws"}, "read the project"},
	} {
		if err := run(t.Context(), c.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
