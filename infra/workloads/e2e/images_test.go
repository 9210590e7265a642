//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const repository = "../../.."

// images builds the services' images as "make images" does and brings them to
// the cluster's nodes: to the registry that TRIVET_E2E_REGISTRY names, or to the
// containerd of this machine. It gives references by digest.
func images(t *testing.T, version string) map[string]string {
	t.Helper()
	out, registry := t.TempDir(), os.Getenv("TRIVET_E2E_REGISTRY")
	builder := filepath.Join(out, "images")
	run(t, filepath.Join(repository, "tools/images"), []string{"GOWORK=off"}, "go", "build", "-o", builder, ".")
	args := []string{"-root", repository, "-out", out, "-version", version}
	if registry != "" {
		args = append(args, "-push", registry)
	}
	run(t, ".", nil, builder, args...)
	text, err := os.ReadFile(filepath.Join(out, "digests.json"))
	if err != nil {
		t.Fatal(err)
	}
	references := make(map[string]string)
	if err := json.Unmarshal(text, &references); err != nil {
		t.Fatal(err)
	}
	for service, digest := range references {
		if registry != "" {
			references[service] = registry + "/" + service + "@" + digest
			continue
		}
		repository := "trivet.local/trivet/" + service
		references[service] = repository + "@" + digest
		run(t, ".", nil, "ctr", "-n", "k8s.io", "images", "import", filepath.Join(out, service+".tar"))
		run(t, ".", nil, "ctr", "-n", "k8s.io", "images", "tag", "--force", repository+":"+version, references[service])
	}
	return references
}

func run(t *testing.T, dir string, environ []string, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}
