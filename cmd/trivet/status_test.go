package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// deployed is what pulumi prints of a stack, with its secrets hidden.
const deployed = `{
  "version": 1,
  "stack": {"name": "prod-aws", "tier": "prod", "layer": "all", "cloud": "aws", "region": "us-east-1"},
  "apiUrl": "https://api.kv.example.com",
  "statusUrl": "https://status.kv.example.com",
  "consoleUrl": "https://console.kv.example.com",
  "dashboards": {"platform": "https://dashboards.example.com"},
  "runbooks": "https://runbooks.example.com",
  "logsUrl": "https://logs.example.com",
  "kubeconfigCommand": "aws eks update-kubeconfig --name trivet-prod-aws",
  "namespace": "trivet",
  "endpoints": {"database": "db.example.com:5432/trivet", "cache": "rediss://cache.example.com:6379"},
  "backup": {"url": "s3://backups", "region": "us-east-1"},
  "images": {"api": "registry.example.com/trivet/api@sha256:1234"},
  "rootToken": "[secret]",
  "platform": "[secret]",
  "monthlyCostUSD": 1234.5,
  "cost": {"tiers": {"Database": 500, "Cluster": 734.5}, "usageUSD": 99.25, "usage": {}, "unpriced": [], "pricesOf": "2026-11-01"},
  "guardrails": {"passed": 80, "failed": 0, "waived": [{"rule": "a", "resource": "b", "reason": "c"}]},
  "addedLater": {"by": "a newer release of the same form"}
}`

func TestStatusShowsAStackToAPerson(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "outputs.json")
	if err := os.WriteFile(file, []byte(deployed), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]result{
		"file":           trivet(t, "", nil, "status", "--outputs", file),
		"standard input": trivet(t, deployed, nil, "status", "--outputs", "-"),
	} {
		if r.code != exitOK {
			t.Fatalf("%s: %+v", name, r)
		}
		for _, want := range []string{
			"prod-aws: tier prod, layer all, on aws in us-east-1", "https://api.kv.example.com", "aws eks update-kubeconfig --name trivet-prod-aws",
			"registry.example.com/trivet/api@sha256:1234", "80 hold, 0 fail, 1 waived", "1234.50 USD a month, and 99.25 for usage", "734.50",
		} {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: it does not say %q:\n%s", name, want, r.out)
			}
		}
		if strings.Contains(r.out, "secret") || strings.Contains(r.out, "broker") {
			t.Errorf("%s: it tells of secrets, or of what there is not:\n%s", name, r.out)
		}
	}
}

func TestStatusAsksPulumi(t *testing.T) {
	t.Parallel()
	// A pulumi that answers for one stack, and fails for others as the real one does.
	dir := t.TempDir()
	script := "#!/bin/sh\nif [ \"$*\" = 'stack output --json --stack prod-aws' ]; then cat <<'EOF'\n" + deployed + "\nEOF\nelse echo \"error: no stack named '$5' found\" >&2; exit 255; fi\n"
	if err := os.WriteFile(filepath.Join(dir, "pulumi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	environ := []string{"PATH=" + dir + ":/usr/bin:/bin"}
	if r := trivet(t, "", environ, "status", "-s", "prod-aws", "-o", "json"); r.code != exitOK || !strings.Contains(r.out, `"apiUrl":"https://api.kv.example.com"`) {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", environ, "status", "-s", "dev-aws"); r.code != exitFailed || !strings.Contains(r.err, "no stack named 'dev-aws' found") {
		t.Errorf("%+v", r)
	}
	if r := trivet(t, "", []string{"PATH=" + t.TempDir()}, "status", "-s", "prod-aws"); r.code != exitFailed || !strings.Contains(r.err, "no pulumi on the PATH") {
		t.Errorf("%+v", r)
	}
}

func TestStatusRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outputs string
		want    string
	}{
		"not deployed": {`{}`, "it has not been deployed"},
		"no JSON":      {`prod`, "read the stack's outputs"},
		"another's":    {`{"bucket": "b"}`, "they have no version"},
		"newer":        {strings.Replace(deployed, `"version": 1`, `"version": 2`, 1), "of a newer release"},
		"wrong type":   {strings.Replace(deployed, `"images": {`, `"namespace": {`, 1), "read the stack's outputs"},
	} {
		if r := trivet(t, test.outputs, nil, "status", "--outputs", "-"); r.code != exitFailed || !strings.Contains(r.err, test.want) {
			t.Errorf("%s: %+v, want %q", name, r, test.want)
		}
	}
	if r := trivet(t, "", nil, "status"); r.code != exitUsage {
		t.Errorf("without a stack: %+v", r)
	}
}
