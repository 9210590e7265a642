package stackoutput_test

import (
	"flag"
	"os"
	"testing"

	"github.com/trivetkv/trivet/pkg/stackoutput"
)

var update = flag.Bool("update", false, "write docs/outputs.md anew")

const referencePath = "../../docs/outputs.md"

func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile(referencePath, []byte(stackoutput.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != stackoutput.Reference() {
		t.Error("docs/outputs.md tells other outputs than the code declares; write it anew with -update")
	}
}

func TestEveryOutputIsDescribed(t *testing.T) {
	t.Parallel()
	for _, o := range stackoutput.Declared() {
		if o.Name == "" || o.Doc == "" {
			t.Errorf("output %q: %q", o.Name, o.Doc)
		}
	}
}
