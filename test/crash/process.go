package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// victim is the server that is killed.
type victim interface {
	// launch begins to start it, on what it kept from before.
	launch(ctx context.Context) error
	// ready waits until it serves, and gives its address.
	ready(ctx context.Context) (url string, err error)
	// kill ends it at once and without warning. It is an error that it had
	// ended before.
	kill() error
}

// startWithin is how long a start may take, recovery included.
const startWithin = 60 * time.Second

// process is the real program on a directory. Each start picks free ports.
type process struct {
	binary string
	dir    string // of its data
	log    string // file that its standard error is appended to

	cmd   *exec.Cmd
	url   chan string
	ended chan error
}

const announcement = "listening on "

// launch starts the program.
func (p *process) launch(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(ctx, p.binary, "run", "--data", p.dir, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0") //nolint:gosec // the program under test
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.binary, err)
	}
	p.cmd, p.url, p.ended = cmd, make(chan string, 1), make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), announcement); ok {
				p.url <- url
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		p.ended <- cmd.Wait()
	}()
	return nil
}

// ready waits for the line that says where the program listens.
func (p *process) ready(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	select {
	case url := <-p.url:
		return url, nil
	case err := <-p.ended:
		p.ended <- err
		return "", fmt.Errorf("the server ended while it started: %w", p.explain(err))
	case <-ctx.Done():
		return "", fmt.Errorf("the server does not listen: %w", ctx.Err())
	}
}

// kill sends SIGKILL and waits for the end.
func (p *process) kill() error {
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Kill() // fails when it has ended, which the status shows
	err := <-p.ended
	p.cmd = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("the server ended before it was killed: %w", p.explain(err))
}

// explain adds the end of the program's log to its status.
func (p *process) explain(err error) error {
	const tail = 2000
	text, _ := os.ReadFile(p.log)
	if len(text) > tail {
		text = text[len(text)-tail:]
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%w\n%s", err, text)
}
