package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKill is a short run of what the command does at length.
func TestKill(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "trivet")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/trivet")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/trivet: %v\n%s", err, out)
	}
	if err := crash(t.Context(), binary, 5, newSeed(), defaultLoad, t.Logf); err != nil {
		t.Fatal(err)
	}
}
