package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// simulatorScript tells what it is started with, and waits for a line or for
// SIGTERM.
const simulatorScript = `#!/bin/sh
trap 'exit 7' TERM
echo "$(basename "$0") $*"
echo progress >&2
read line
echo "$line"
exit 3
`

// installSimulator puts a stand-in for the simulator's program into a directory.
func installSimulator(t *testing.T, path string) {
	t.Helper()
	// A process that another test starts must not get the file while it is
	// written: nobody can execute it then.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(simulatorScript), 0o755); err != nil {
		t.Fatal(err)
	}
}

// alone gives a copy of the program that has no other beside it.
func alone(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trivet")
	if err := os.Link(program, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimulateBecomesTheSimulatorsProgram(t *testing.T) {
	t.Parallel()
	const others = "/usr/bin:/bin"
	for name, where := range map[string]func(t *testing.T, trivet, dir string) (environ []string){
		"beside it": func(t *testing.T, trivet, _ string) []string {
			installSimulator(t, filepath.Join(filepath.Dir(trivet), "trivet-simulator"))
			return nil
		},
		"on the PATH": func(t *testing.T, _, dir string) []string {
			installSimulator(t, filepath.Join(dir, "trivet-simulator"))
			return []string{"PATH=" + dir + ":" + others}
		},
		"by its name": func(t *testing.T, trivet, dir string) []string {
			if err := os.WriteFile(filepath.Join(filepath.Dir(trivet), "trivet-simulator"), nil, 0o755); err != nil {
				t.Fatal(err)
			}
			installSimulator(t, filepath.Join(dir, "mine"))
			return []string{"TRIVET_SIMULATOR=" + filepath.Join(dir, "mine")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := alone(t)
			environ := append([]string{"PATH=" + others}, where(t, path, t.TempDir())...)
			cmd := command(t, environ, "--config", "x", "simulate", "--seed=1,2", "--policy", "kpa", "-o", "json")
			cmd.Path = path
			r := finish(t, cmd, "a line\n")
			started, rest, _ := strings.Cut(r.out, " ")
			if rest != "--config x --seed=1,2 --policy kpa -o json\na line\n" || r.err != "progress\n" || r.code != 3 {
				t.Errorf("%s: exit %d, printed %q, and %q on standard error", started, r.code, r.out, r.err)
			}
			if want := "trivet-simulator"; started != want && name != "by its name" || name == "by its name" && started != "mine" {
				t.Errorf("started %s", started)
			}
		})
	}
}

func TestSignalsReachTheSimulatorsProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "simulator")
	installSimulator(t, path)
	cmd := command(t, []string{"TRIVET_SIMULATOR=" + path}, "simulate")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewScanner(progress).Scan()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit %d, want the 7 that the program exits with", code)
	}
}

func TestSimulateDoesWithoutTheSimulatorsProgram(t *testing.T) {
	t.Parallel()
	nowhere := []string{"PATH=" + t.TempDir()}
	for name, c := range map[string]struct {
		args []string
		code int
		out  string
		err  string
	}{
		"and says what is left out": {[]string{"--generate", "timers", "--days", "1"}, exitOK, "keda", "kpa is left out: Knative's autoscaler is in the program trivet-simulator"},
		"but cannot try kpa":        {[]string{"--policy", "kpa"}, exitUsage, "", "trivet: --policy: kpa cannot be tried: Knative's autoscaler is in the program trivet-simulator"},
		"for what has no kpa":       {[]string{"--generate", "timers", "--days", "1", "--workload", "consumer"}, exitOK, "keda", "\r1 of 3 runs"},
		"and refuses what is wrong": {[]string{"--target", "2"}, exitUsage, "", "trivet: the target 2 has to be above 0 and at most 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := trivet(t, "", nowhere, append([]string{"simulate"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.out, c.out) || !strings.HasPrefix(r.err, c.err) || strings.Contains(r.out, "kpa") {
				t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
			}
		})
	}
}

func TestASimulatorThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none")
	r := trivet(t, "", []string{"TRIVET_SIMULATOR=" + path}, "simulate")
	if r.code != exitUsage || !strings.HasPrefix(r.err, "trivet: TRIVET_SIMULATOR: it has to name a program: ") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
