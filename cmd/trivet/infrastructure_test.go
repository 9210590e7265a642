package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkout makes a project whose program in infra/cmd/cost prints what it is
// given, and exits with the code that a file says.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"Pulumi.yaml":  "name: trivet\nruntime: go\n",
		"go.work":      "go 1.26.0\nuse ./infra\n",
		"infra/go.mod": "module example.com/infra\n\ngo 1.26.0\n",
		"infra/cmd/cost/main.go": `package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	fmt.Println(strings.Join(os.Args[1:], " "))
	switch os.Getenv("FAIL") {
	case "usage":
		os.Exit(2)
	case "work":
		os.Exit(1)
	}
}
`,
		"stacks/deep/.keep": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestProgramsOfInfraAreBuiltAndStarted(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	within := filepath.Join(root, "stacks", "deep")
	for name, c := range map[string]struct {
		environ string
		args    []string
		out     string
		code    int
	}{
		"with what they are asked for": {
			"", []string{"-s", "lean-aws", "--compare", "prod-aws", "-o", "json"},
			"-root " + root + " -stack lean-aws -output json -compare prod-aws\n", exitOK,
		},
		"with files where the caller is": {
			"", []string{"-s", "lean-aws", "--graph", "g.jsonl"},
			"-root " + root + " -stack lean-aws -output table -graph " + filepath.Join(within, "g.jsonl") + "\n", exitOK,
		},
		"and what they refuse is wrong usage": {"FAIL=usage", []string{"-s", "x"}, "-root " + root + " -stack x -output table\n", exitUsage},
		"and when they fail, so does this":    {"FAIL=work", []string{"-s", "x"}, "-root " + root + " -stack x -output table\n", exitFailed},
	} {
		t.Run(name, func(t *testing.T) { // one after another: they build the same program
			cmd := command(t, []string{c.environ, "GOFLAGS=", "GOWORK="}, append([]string{"cost"}, c.args...)...)
			cmd.Dir = within
			out, err := cmd.Output()
			if string(out) != c.out || cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("exit %d (%v), printed %q, want %d and %q", cmd.ProcessState.ExitCode(), err, out, c.code, c.out)
			}
		})
	}
}

func TestCostRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no stack":            {nil, "--stack has to name a stack"},
		"an unknown form":     {[]string{"-s", "prod-aws", "-o", "yaml"}, "--output has to be table or json"},
		"outside the project": {[]string{"-s", "prod-aws"}, "is in no checkout of Trivet"},
	} {
		if r := trivet(t, "", nil, append([]string{"cost"}, c.args...)...); r.code != exitUsage || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit %d: %s", name, r.code, r.err)
		}
	}
}

func TestTheCommandLineLinksNeitherPulumiNorKnative(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if strings.HasPrefix(pkg, "github.com/pulumi/") || strings.HasPrefix(pkg, "knative.dev/") || strings.HasPrefix(pkg, "github.com/trivetkv/trivet/infra") {
			t.Errorf("it links %s", pkg)
		}
	}
}
