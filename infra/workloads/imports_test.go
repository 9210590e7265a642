package workloads_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWorkloadsSeeNoCloud holds that the same workloads run on every platform:
// of this project they know its contract and the stack's settings.
func TestWorkloadsSeeNoCloud(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	const ours = "github.com/trivetkv/trivet/"
	known := map[string]bool{ours + "infra/platform": true, ours + "infra/stack": true}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(path, ours) && !known[path] || strings.Contains(path, "pulumi-aws") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
