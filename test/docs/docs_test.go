// Package docs runs the console sessions of the README and of docs/ against
// the real program and holds what they print against what the pages show.
//
// In a block fenced as console, a line that begins with "$ " is a command and
// the lines up to the next one are its output. "…" stands for anything within
// a line and, alone on a line, for any lines. Pages say localhost:8080; here
// it is whatever port was free.
package docs

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const repository = "../.."

// start runs the program on a free port and gives its address.
func start(t *testing.T, bin string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "trivet"), "run", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "listening on http://"); ok {
			return addr
		}
	}
	t.Fatal("the program ended before it served")
	return ""
}

func TestConsoleSessionsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/trivet")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range append(pages, filepath.Join(repository, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		steps := parse(string(text))
		if len(steps) == 0 {
			continue
		}
		ran += len(steps)
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			addr, dir := start(t, bin), t.TempDir()
			for _, s := range steps {
				s.run(t, bin, dir, addr)
			}
		})
	}
	if ran == 0 {
		t.Fatal("no page has a console session")
	}
}

// step is one command of a session and the output that the page shows.
type step struct {
	command string
	output  []string
}

func parse(page string) []step {
	var steps []step
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{command: line[2:]})
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			if strings.HasSuffix(last.command, `\`) {
				last.command += "\n" + line
			} else {
				last.output = append(last.output, line)
			}
		}
	}
	return steps
}

func (s step) run(t *testing.T, bin, dir, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", strings.ReplaceAll(s.command, "localhost:8080", addr))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TRIVET_URL=http://"+addr, "HOME="+dir)
	raw, err := cmd.CombinedOutput()
	got := strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), addr, "localhost:8080")
	got = strings.TrimRight(got, "\n")
	if err != nil && cmd.ProcessState.ExitCode() < 0 {
		t.Fatalf("$ %s\n%v\n%s", s.command, err, got)
	}
	if !s.pattern().MatchString(got) {
		t.Errorf("$ %s\n--- the page shows\n%s\n--- the program prints\n%s", s.command, strings.Join(s.output, "\n"), got)
	}
}

// pattern makes a regular expression of the output that the page shows.
func (s step) pattern() *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	shown := strings.TrimRight(strings.Join(s.output, "\n"), "\n")
	for i, line := range strings.Split(shown, "\n") {
		if line == "…" {
			b.WriteString(`(?:\n?.*)*?`)
			continue
		}
		if i > 0 {
			b.WriteString(`\n?`)
		}
		for j, part := range strings.Split(line, "…") {
			if j > 0 {
				b.WriteString(`.*`)
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func TestAPageThatShowsAnotherOutputIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		shown, printed string
		want           bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a\nb", "a\nb", true},
		{"a\n…\nd", "a\nb\nc\nd", true},
		{"a\n…", "a", true},
		{"a…c", "abc", true},
		{"a…c", "abd", false},
		{"", "a", false},
		{"", "", true},
	} {
		page := fmt.Sprintf("```console\n$ true\n%s\n```\n", test.shown)
		if got := parse(page)[0].pattern().MatchString(test.printed); got != test.want {
			t.Errorf("%q against %q: %t, want %t", test.shown, test.printed, got, test.want)
		}
	}
}
