package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/trivetkv/trivet/pkg/load"
)

// system is a store under measurement.
type system interface {
	name() string
	// start runs it on a directory and returns as soon as it has answered a
	// request.
	start(ctx context.Context, dir string) (*instance, error)
	// put and get make the requests that are measured: of one key of the
	// dataset, durable and linearizable.
	put(d *dataset) load.Mix
	get(d *dataset) load.Mix
	// fill makes a request that writes the n-th lot of lot() keys.
	fill(r *load.Request, key func(i int) []byte, value func(i int) []byte, n int)
	lot() int
}

// instance is a running system.
type instance struct {
	url     string
	started time.Duration // from the start of the process to its first answer
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended
}

// stopWithin is how long a system may take to end before it is killed.
const stopWithin = 30 * time.Second

// spawn starts a program whose output goes to a file beside its data.
func spawn(cmd *exec.Cmd, logFile string) (*instance, error) {
	log, err := os.OpenFile(filepath.Clean(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	in := &instance{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(in.ended)
		_ = cmd.Wait() // its status shows in cmd.ProcessState
	}()
	return in, nil
}

// stop ends the system as its operator would.
func (in *instance) stop() error {
	_ = in.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-in.ended:
		return nil
	case <-time.After(stopWithin):
		_ = in.cmd.Process.Kill()
		<-in.ended
		return fmt.Errorf("%s did not end within %v", in.cmd.Path, stopWithin)
	}
}

// resident gives the process's resident memory in bytes, now and at its
// highest.
func (in *instance) resident() (now, highest int64, err error) { return residentOf(in.cmd.Process.Pid) }

// residentOf gives a process's resident memory in bytes, now and at its highest.
func residentOf(pid int) (now, highest int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc status: %w", err)
		}
		if name == "VmRSS" {
			now = kib << 10
		} else {
			highest = kib << 10
		}
	}
	if now == 0 {
		return 0, 0, errors.New("/proc status has no VmRSS")
	}
	return now, highest, nil
}

// cpu gives the processor time that the process has used.
func (in *instance) cpu() time.Duration { return processorTime(in.cmd.Process.Pid) }

// processorTime gives what a process has used so far.
func processorTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// Fields behind the name, which may have spaces: utime and stime are the
	// 14th and 15th of the line, in hundredths of a second.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// fillStore writes count values through requests of many keys.
func fillStore(ctx context.Context, s system, in *instance, count int, key, value func(i int) []byte) (load.Result, error) {
	lots := make(chan int, count/s.lot()+1)
	for n := range (count + s.lot() - 1) / s.lot() {
		lots <- n
	}
	res, err := load.Run(ctx, load.Options{
		URL: in.url, Connections: 4, Count: int64(len(lots)), Timeout: time.Minute,
		Mix: func(r *load.Request, _ *rand.Rand) { s.fill(r, key, value, <-lots) },
	})
	if err == nil {
		err = complaint(res)
	}
	return res, err
}

// complaint is an error when requests failed: a measurement with failures in it
// measures something else.
func complaint(res load.Result) error {
	if n := res.Failures(); n > 0 {
		return fmt.Errorf("%d requests failed: %v", n, res.Failed)
	}
	return nil
}
