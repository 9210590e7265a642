//go:build unix

package testserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// guard is a process that outlives this one by as long as it takes to kill a
// server and to remove its directory. It knows that this process has ended
// when its standard input does. Linux' parent-death signal would not do: it
// comes when the thread that started the server ends, and leaves the directory.
type guard struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

// guardScript reads process ids, the server's current one last, until the end
// of its input.
const guardScript = `
pid=0
while read -r line; do pid=$line; done
[ "$pid" = 0 ] && exit 0
descend() { for child in $(ps -A -o pid= -o ppid= | awk -v p="$1" '$2 == p { print $1 }'); do descend "$child"; done; echo "$1"; }
kill -KILL $(descend "$pid") 2>/dev/null
rm -rf -- "$0" || { sleep 1; rm -rf -- "$0"; }
`

func newGuard(dir string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, dir) //nolint:noctx // it outlives every context
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard a server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard a server: %w", err)
	}
	return &guard{cmd, input}, nil
}

// watch names the process to kill.
func (g *guard) watch(pid int) error {
	if _, err := fmt.Fprintln(g.input, pid); err != nil {
		return fmt.Errorf("guard a server: %w", err)
	}
	return nil
}

// close ends the guard; there is nothing to kill any more.
func (g *guard) close() error {
	if g.cmd.ProcessState != nil {
		return nil
	}
	if err := g.watch(0); err != nil {
		return err
	}
	if err := g.input.Close(); err != nil {
		return fmt.Errorf("guard a server: %w", err)
	}
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("guard a server: %w", err)
	}
	return nil
}

// tree gives a process and all that descend from it. Servers whose children
// lead groups of their own, as PostgreSQL's do, are not a process group.
func tree(pid int) ([]int, error) {
	out, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=", "-o", "ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		child, err := strconv.Atoi(fields[0])
		parent, perr := strconv.Atoi(fields[1])
		if err == nil && perr == nil {
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// FreePort gives a TCP port of the loopback interface that nobody listens on.
// Another process may take it before the server does; the server then fails to
// start and says so.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is TCP's
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}
