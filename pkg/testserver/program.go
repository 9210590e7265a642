//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// InstallVariable names the environment variable that forbids, with the value
// 0, to install what is missing.
const InstallVariable = "TRIVET_TEST_INSTALL"

// Program is how a server's program is found, and what brings it.
type Program struct {
	Name     string   // as people say it, such as "PostgreSQL"
	Binary   string   // what is looked for in PATH
	Dirs     []string // patterns of directories to look in when PATH has none
	Packages []string // Debian packages that bring it
	Others   string   // how to install it elsewhere
}

// Find gives the path of the program. When it is not installed, root on Debian
// installs its packages, with their services kept from starting; in any other
// case the error says what to install. Test binaries that run side by side
// install one after another.
func (p Program) Find(ctx context.Context) (string, error) {
	if path := p.look(); path != "" {
		return path, nil
	}
	if !mayInstall() {
		return "", fmt.Errorf("%s is not installed: no %s in PATH%s. Debian, Ubuntu: sudo apt-get install %s. %s",
			p.Name, p.Binary, p.dirs(), strings.Join(p.Packages, " "), p.Others)
	}
	unlock, err := lock(ctx, filepath.Join(os.TempDir(), "trivet-test-install.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if path := p.look(); path != "" {
		return path, nil // another process has installed it
	}
	if err := install(ctx, p); err != nil {
		return "", err
	}
	if path := p.look(); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("the packages %s have been installed and there is still no %s in PATH%s", strings.Join(p.Packages, " "), p.Binary, p.dirs())
}

// look gives the program's path, "" when it is not there. Of several versions
// it takes the one whose directory sorts last.
func (p Program) look() string {
	if path, err := exec.LookPath(p.Binary); err == nil {
		return path
	}
	for _, pattern := range p.Dirs {
		found, _ := filepath.Glob(filepath.Join(pattern, p.Binary)) // the patterns are well formed
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return ""
}

func (p Program) dirs() string {
	if len(p.Dirs) == 0 {
		return ""
	}
	return " or " + strings.Join(p.Dirs, ", ")
}

func mayInstall() bool {
	if os.Getenv(InstallVariable) == "0" || os.Geteuid() != 0 {
		return false
	}
	_, err := exec.LookPath("apt-get")
	return err == nil
}

// servicePolicy is what Debian's packages ask before they start a service;
// exit code 101 forbids it.
const servicePolicy = "/usr/sbin/policy-rc.d"

func install(ctx context.Context, p Program) (err error) {
	fmt.Fprintf(os.Stderr, "testserver: %s is not installed; installing the Debian packages %s without starting their services (%s=0 forbids it)\n",
		p.Name, strings.Join(p.Packages, " "), InstallVariable)
	f, err := os.OpenFile(servicePolicy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // it is a program
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, os.Remove(servicePolicy)) }()
		_, werr := f.WriteString("#!/bin/sh\nexit 101\n")
		if err := errors.Join(werr, f.Close()); err != nil {
			return fmt.Errorf("keep services from starting: %w", err)
		}
	case !errors.Is(err, os.ErrExist): // one that is there is the machine's own policy
		return fmt.Errorf("keep services from starting: %w", err)
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, p.Packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...) //nolint:gosec // fixed names
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s for %s: %w\n%s", strings.Join(args, " "), p.Name, err, out)
		}
	}
	return nil
}

// lock holds a file that one process at a time may hold.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-locked:
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		return func() { _ = f.Close() }, nil // closing gives the lock back
	case <-ctx.Done():
		// The file stays open for the wait that cannot be ended.
		return nil, fmt.Errorf("lock %s, which another process holds: %w", path, ctx.Err())
	}
}
