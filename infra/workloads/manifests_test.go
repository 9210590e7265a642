package workloads_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads/workloadstest"
)

var update = flag.Bool("update", false, "write testdata/*.yaml anew")

// TestManifestsAreAsReviewed shows in a change's difference what it makes of the
// manifests. Other tools judge the same files.
func TestManifestsAreAsReviewed(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]struct {
		tier        platform.Tier
		autoscaling stack.Autoscaling
	}{
		"prod": {platform.Prod, stack.AutoscalingTrivet},
		"hpa":  {platform.Prod, stack.AutoscalingHPA},
		"dev":  {platform.Dev, stack.AutoscalingNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resources := run(t, workloadstest.Platform(false), workloadstest.Args(args.tier, args.autoscaling), false)
			got := manifests(t, resources)
			path := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s has other manifests; go test ./infra/workloads -run Reviewed -update writes these", path)
			}
		})
	}
}

// manifests writes resources as one file, in an order of its own. What is made
// up at random stays out.
func manifests(t *testing.T, resources []workloadstest.Resource) []byte {
	t.Helper()
	byName := make(map[string][]byte)
	for _, r := range resources {
		text, err := r.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if text == nil {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"data", "stringData"} {
			if values, ok := object[field].(map[string]any); ok {
				for key := range values {
					values[key] = "…"
				}
			}
		}
		document, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		byName[r.Type+" "+r.Name] = document
	}
	var file bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		file.WriteString("---\n# " + strings.TrimPrefix(name, "kubernetes:") + "\n")
		file.Write(byName[name])
	}
	return file.Bytes()
}
