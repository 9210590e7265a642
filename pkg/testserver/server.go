//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Spec is how a server is run.
type Spec struct {
	Name string // for messages
	Path string // of the program
	Args []string
	Env  []string // besides this process's own

	// Dir belongs to the server: its log is written there, and it is removed
	// in the end. See [NewDir].
	Dir string

	// Account is the account that the server runs under; nil means this process's.
	Account *Account

	// Ready asks the server whether it serves. It is called until it returns nil.
	Ready func(ctx context.Context) error

	// Quit is the signal that ends the server in an orderly way; 0 means SIGTERM.
	Quit syscall.Signal
}

// How long a server may take to start and to stop.
const (
	startTimeout = 3 * time.Minute // on a machine that has much else to do
	stopTimeout  = 20 * time.Second
)

// Server is a server that runs, or ran.
type Server struct {
	spec  Spec
	guard *guard

	mu     sync.Mutex
	cmd    *exec.Cmd     // nil when it does not run
	exited chan struct{} // closed when cmd has ended
	paused []int
}

// Start runs a server and returns once it is ready. Whoever starts it has to
// call Close. When this process ends without, be it by a panic, os.Exit or
// SIGKILL, a guard process kills the server and removes its directory.
func Start(ctx context.Context, spec Spec) (*Server, error) {
	if spec.Quit == 0 {
		spec.Quit = syscall.SIGTERM
	}
	g, err := newGuard(spec.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{spec: spec, guard: g}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Start runs the server again after Stop or Kill, on the same data and port.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if err := s.launch(); err != nil {
			return err
		}
		err := s.awaitReady(ctx)
		if err == nil {
			return nil
		}
		// A server that was killed may leave something behind, such as shared
		// memory or a port, that is free only a moment later.
		if errors.Is(err, errExited) && pause(ctx, 100*time.Millisecond) == nil {
			continue
		}
		s.killTree()
		return fmt.Errorf("start %s: %w; its log ends with:\n%s", s.spec.Name, err, s.LogTail(0))
	}
}

var errExited = errors.New("it has ended")

func (s *Server) running() bool { return s.cmd != nil }

func (s *Server) launch() error {
	out, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.spec.Name, err)
	}
	defer out.Close()                                //nolint:errcheck // the server has its own descriptor
	cmd := exec.Command(s.spec.Path, s.spec.Args...) //nolint:gosec,noctx // it outlives the caller's context
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.spec.Dir, out, out
	cmd.Env = append(os.Environ(), s.spec.Env...)
	// A group of its own keeps the terminal's ^C from it, which is for the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.spec.Account.credential()}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.spec.Name, err)
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait() // its log says why
		close(exited)
	}(s.exited)
	return s.guard.watch(cmd.Process.Pid)
}

// awaitReady asks the server until it serves.
func (s *Server) awaitReady(ctx context.Context) error {
	for {
		select {
		case <-s.exited:
			s.cmd = nil
			return errExited
		default:
		}
		err := s.spec.Ready(ctx)
		if err == nil {
			return nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("not ready: %w", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the server in an orderly way, and after 20 s by force.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return nil
	}
	s.resume()
	if err := s.cmd.Process.Signal(s.spec.Quit); err == nil {
		timer := time.NewTimer(stopTimeout)
		defer timer.Stop()
		select {
		case <-s.exited:
			s.cmd = nil
			return nil
		case <-timer.C:
		}
	}
	s.killTree()
	return nil
}

// Kill ends the server and all its processes with SIGKILL, as a crash does.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running() {
		s.killTree()
	}
}

// Pause stops the server and all its processes with SIGSTOP: connections stay
// open and nothing answers.
func (s *Server) Pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return fmt.Errorf("pause %s: it does not run", s.spec.Name)
	}
	pids, err := tree(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // one may have ended meanwhile
	}
	s.paused = pids
	return nil
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resume()
}

func (s *Server) resume() {
	for _, pid := range s.paused {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	s.paused = nil
}

// Close ends the server for good and removes its directory. A second Close
// does nothing.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), s.guard.close(), os.RemoveAll(s.spec.Dir))
}

func (s *Server) killTree() {
	pids, err := tree(s.cmd.Process.Pid)
	if err != nil {
		pids = []int{s.cmd.Process.Pid}
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.exited
	s.cmd, s.paused = nil, nil
}

// PID gives the server's process id, 0 when it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return 0
	}
	return s.cmd.Process.Pid
}

// LogFile gives the path of what the server prints.
func (s *Server) LogFile() string { return filepath.Join(s.spec.Dir, "server.log") }

// LogSize gives the length of the log in bytes.
func (s *Server) LogSize() int64 {
	info, err := os.Stat(s.LogFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// LogTail gives the end of the log, at most 8 KiB of what comes after an
// offset in bytes.
func (s *Server) LogTail(from int64) string {
	f, err := os.Open(s.LogFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close() //nolint:errcheck // it was read only
	const most = 8 << 10
	if _, err := f.Seek(max(from, s.LogSize()-most), io.SeekStart); err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Account is an account of the machine that a server may run under.
type Account struct {
	Name     string
	uid, gid uint32
}

// Unprivileged gives the first of the accounts that exists, for servers which
// refuse to run as root. It is nil when this process is not root and so needs
// none.
func Unprivileged(names ...string) (*Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil // nil is this process's own account
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the account %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the account %s: %w", name, err)
		}
		return &Account{Name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("there is none of the accounts %v, and the server refuses to run as root", names)
}

func (a *Account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// NewDir makes an empty directory for a server. Its name is short, since paths
// of sockets may have 107 bytes only.
func NewDir(name string, owner *Account) (string, error) {
	dir, err := os.MkdirTemp("", "trivet-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("make a directory for %s: %w", name, err)
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.uid), int(owner.gid)); err != nil {
			return "", fmt.Errorf("make a directory for %s: %w", name, err)
		}
	}
	return dir, nil
}
