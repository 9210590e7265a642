package rehearsal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/trivetkv/trivet/infra/cost"
)

// isRecorded holds an estimate against the one that docs/cost.md was written
// from, for the stacks that it shows.
func isRecorded(t *testing.T, stack string, got cost.Report) {
	t.Helper()
	file := filepath.Join(root, "infra", "cost", "testdata", stack+".json")
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var want cost.Report
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Lines, want.Lines) || !slices.Equal(got.Unpriced, want.Unpriced) {
		t.Errorf("it costs %.2f and %.2f a month, not %.2f and %.2f as recorded: trivet cost -s %s -o json > infra/cost/testdata/%s.json, "+
			"then go test ./infra/cost -run Documented -update",
			got.MonthlyUSD, got.UsageUSD, want.MonthlyUSD, want.UsageUSD, stack, stack)
	}
}
