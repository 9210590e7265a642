package config_test

import (
	"flag"
	"os"
	"testing"

	"github.com/trivetkv/trivet/pkg/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const referencePath = "../../docs/configuration.md"

func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile(referencePath, []byte(config.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != config.Reference() {
		t.Error("docs/configuration.md tells other variables than the code declares; write it anew with -update")
	}
}
