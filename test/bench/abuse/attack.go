package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// tokenVariable hands the token to the abusing process, out of sight of ps.
const tokenVariable = "ABUSE_TOKEN"

// attack is what the abusing process does.
type attack struct{ kind, url string }

// run abuses the server until standard input ends, and prints what became of it.
func (a attack) run(ctx context.Context) error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == a.kind })
	if i < 0 {
		return fmt.Errorf("there is no abuse %q, only %s", a.kind, strings.Join(names(), ", "))
	}
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var counts counts
	kinds[i].abuse(ctx, &process{url: a.url, host: strings.TrimPrefix(a.url, "http://")}, os.Getenv(tokenVariable), &counts)
	fmt.Println(counts.String())
	return nil
}

// attacker is the abusing process.
type attacker struct {
	cmd    *exec.Cmd
	input  io.Closer
	output bytes.Buffer
}

// launch starts this program as an abuser that gets what the others leave of the
// processors: with any other class it would keep them for a slice of some
// milliseconds when the server is to run.
func launch(ctx context.Context, kind, url, token string) (*attacker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &attacker{cmd: exec.CommandContext(ctx, "chrt", "--idle", "0", self, "-attack", kind, "-url", url)}
	a.cmd.Env = append(os.Environ(), tokenVariable+"="+token)
	a.cmd.Stdout, a.cmd.Stderr = &a.output, os.Stderr
	if a.input, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return a, a.cmd.Start()
}

// end stops the abuse and tells what became of it.
func (a *attacker) end() (string, error) {
	_ = a.input.Close()
	err := a.cmd.Wait()
	return strings.TrimSpace(a.output.String()), err
}

// counts are what became of abuse.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[what] += n
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for what, n := range c.of {
		parts = append(parts, fmt.Sprintf("%d %s", n, what))
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(b, a) })
	return strings.Join(parts, ", ")
}
