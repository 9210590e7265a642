package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen: long enough for a
// machine that is busy with other things.
const patience = 30 * time.Second

// program is the real program, built once for all tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "trivet-test")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		// Another user has to be able to run it, see TestADirectoryThatCannotBeWritten.
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		program = filepath.Join(dir, "trivet")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// output is what a process has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command makes a command of the program, with the test's own variables only.
func command(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TRIVET_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Env, "TRIVET_CONFIG="+filepath.Join(cmd.Dir, "config.yaml")) // rather than that of who runs the tests
	cmd.Env = append(cmd.Env, environ...)
	return cmd
}

// server is a process of trivet run.
type server struct {
	cmd  *exec.Cmd
	url  string
	err  *output // standard error
	done chan struct{}
	code int // once done is closed
}

// serve starts trivet run on free ports and waits until it serves.
func serve(t *testing.T, environ []string, args ...string) *server {
	t.Helper()
	s := &server{err: new(output), done: make(chan struct{})}
	args = append([]string{"run", "--listen", "127.0.0.1:0"}, args...)
	s.cmd = command(t, environ, args...)
	s.cmd.Stderr = s.err
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1)
	go func() {
		defer close(s.done)
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
		var exit *exec.ExitError
		if err := s.cmd.Wait(); errors.As(err, &exit) {
			s.code = exit.ExitCode()
		}
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
		if t.Failed() {
			t.Logf("standard error of the server:\n%s", s.err)
		}
	})
	select {
	case line, ok := <-lines:
		url, found := strings.CutPrefix(line, "listening on ")
		if !ok || !found {
			<-s.done
			t.Fatalf("printed %q and exited with %d:\n%s", line, s.code, s.err)
		}
		s.url = url
	case <-time.After(patience):
		t.Fatalf("did not serve:\n%s", s.err)
	}
	return s
}

// signal sends a signal.
func (s *server) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exited waits for the process's end and gives its exit code.
func (s *server) exited(t *testing.T) int {
	t.Helper()
	select {
	case <-s.done:
		return s.code
	case <-time.After(patience):
		t.Fatal("it does not stop")
		return 0
	}
}

// stop stops the process as an operator does.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	if code := s.exited(t); code != 0 {
		t.Fatalf("exit code %d after SIGTERM:\n%s", code, s.err)
	}
}

// do sends a request and gives status and body.
func do(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// result is what a command printed and its exit code.
type result struct {
	out, err string
	code     int
}

// trivet runs a command that ends by itself.
func trivet(t *testing.T, in string, environ []string, args ...string) result {
	t.Helper()
	cmd := command(t, environ, args...)
	return finish(t, cmd, in)
}

func finish(t *testing.T, cmd *exec.Cmd, in string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(5 * time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it did not happen: %s", what)
		}
	}
}

// lastLine gives the last line that was printed.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return lines[len(lines)-1]
}
