package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	rootToken   = "the-root-token-of-the-abuse-benchmark"
	startWithin = time.Minute
	stopWithin  = 30 * time.Second

	// largeValues are what the client that never reads asks for.
	largeValues = 16
)

// process is the server under abuse.
type process struct {
	url   string
	host  string
	dir   string
	cmd   *exec.Cmd
	ended chan error
}

func startServer(ctx context.Context, binary, data string, environ []string) (*process, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(data, "trivet-abuse-")
	if err != nil {
		return nil, err
	}
	s := &process{dir: dir, ended: make(chan error, 1)}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, "run", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	s.cmd.Env = append(append(os.Environ(), "TRIVET_AUTH=token", "TRIVET_ROOT_TOKEN="+rootToken), environ...)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				address <- url
			}
		}
		s.ended <- s.cmd.Wait()
	}()
	select {
	case s.url = <-address:
	case err := <-s.ended:
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, fmt.Errorf("the server ended: %w: %s", errors.Join(err), text)
	case <-time.After(startWithin):
		return nil, errors.Join(fmt.Errorf("the server did not listen within %v", startWithin), s.stop())
	}
	s.host = strings.TrimPrefix(s.url, "http://")
	return s, nil
}

// stop ends the server as its operator would, and removes its data.
func (s *process) stop() error {
	defer func() { _ = os.RemoveAll(s.dir) }()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill()
		return errors.New("the server did not stop")
	}
}

// restarts is 1 when the process has ended: nobody would have started it again.
func (s *process) restarts() int {
	if s.cmd.Process.Signal(syscall.Signal(0)) != nil {
		return 1
	}
	return 0
}

// mostMemory gives the resident memory in bytes at its highest.
func (s *process) mostMemory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc status has no VmHWM")
}

func (s *process) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", s.host)
}

func (s *process) send(ctx context.Context, method, path, token string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		return errors.Join(err, fmt.Errorf("%s %s: %s %s", method, path, response.Status, answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// token makes a token for a namespace of its own.
func (s *process) token(ctx context.Context, namespace string) (string, error) {
	var made struct{ Token string }
	body := fmt.Sprintf(`{"scopes":[{"namespace":%q,"access":["read","write"]}]}`, namespace)
	err := s.send(ctx, http.MethodPost, "/v1/tokens", rootToken, strings.NewReader(body), &made)
	return made.Token, err
}

// prepare writes what is read later on. A large value is as much as one token
// may write in two seconds, so each comes from a token of its own.
func (s *process) prepare(ctx context.Context) error {
	for i := range 100 {
		if err := s.send(ctx, http.MethodPut, fmt.Sprintf("/v1/kv/quiet/%d", i), rootToken, strings.NewReader("value"), nil); err != nil {
			return err
		}
	}
	for i := range largeValues {
		large := bytes.Repeat([]byte{byte('a' + i)}, 8<<20)
		writer, err := s.token(ctx, "abuse")
		if err != nil {
			return err
		}
		if err := s.send(ctx, http.MethodPut, fmt.Sprintf("/v1/kv/abuse/large-%d", i), writer, bytes.NewReader(large), nil); err != nil {
			return err
		}
	}
	return nil
}

// descriptors is how many connections this process may hold.
func descriptors() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 512
	}
	return int(min(files.Cur, 1<<20)) - 200
}
