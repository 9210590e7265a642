//go:build unix

package testserver

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var redisProgram = Program{
	Name:     "Redis",
	Binary:   "redis-server",
	Packages: []string{"redis-server"},
	Others:   "Fedora: sudo dnf install redis. macOS: brew install redis.",
}

// Redis is a Redis server. It saves nothing to the disk by itself: killed and
// started again it holds what it held at the last [Redis.Save].
type Redis struct {
	*Server
	addr string
}

// StartRedis runs a Redis server. Settings are pairs as in its configuration
// file, such as "maxmemory 2mb".
func StartRedis(ctx context.Context, settings ...string) (*Redis, error) {
	path, err := redisProgram.Find(ctx)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := NewDir("redis", nil)
	if err != nil {
		return nil, err
	}
	args := []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--enable-debug-command", "local",
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, " ")
		args = append(args, "--"+name)
		args = append(args, strings.Fields(value)...)
	}
	r := &Redis{addr: loopback(port)}
	r.Server, err = Start(ctx, Spec{
		Name: "Redis", Path: path, Args: args, Dir: dir,
		Ready: func(ctx context.Context) error { return pingRedis(ctx, r.addr) },
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// NewRedis gives a test a Redis server of its own.
func NewRedis(tb testing.TB, settings ...string) *Redis {
	tb.Helper()
	return Own(tb, func(ctx context.Context) (*Redis, error) { return StartRedis(ctx, settings...) })
}

var sharedRedis = Shared[*Redis]{Start: func(ctx context.Context) (*Redis, error) { return StartRedis(ctx) }}

// RedisURL gives a URL of the Redis server that the test binary shares, with a
// prefix for keys that nobody else has.
func RedisURL(tb testing.TB) string {
	tb.Helper()
	return sharedRedis.Get(tb).URL() + "?prefix=" + strings.ToLower(rand.Text())
}

// Addr gives the server's HOST:PORT.
func (r *Redis) Addr() string { return r.addr }

// URL gives the server's URL.
func (r *Redis) URL() string { return "redis://" + r.addr + "/" }

// Do sends one command and gives the first line of its answer; an error that
// Redis answers is an error.
func (r *Redis) Do(ctx context.Context, args ...string) (string, error) {
	return askRedis(ctx, r.addr, args...)
}

// Tells tells whether a section of what the server says about itself (INFO) has
// a text, such as role:master.
func (r *Redis) Tells(ctx context.Context, section, text string) bool {
	const find = "return tostring(redis.call('INFO', ARGV[1]):find(ARGV[2], 1, true) ~= nil)"
	answer, err := r.Do(ctx, "EVAL", find, "0", section, text)
	return err == nil && answer == "true"
}

// Flush drops all keys.
func (r *Redis) Flush(ctx context.Context) error {
	_, err := r.Do(ctx, "FLUSHALL", "SYNC")
	return err
}

// Save writes all keys to the disk, from which the next start reads them.
func (r *Redis) Save(ctx context.Context) error {
	_, err := r.Do(ctx, "SAVE")
	return err
}

func pingRedis(ctx context.Context, addr string) error {
	answer, err := askRedis(ctx, addr, "PING")
	if err != nil && !strings.HasPrefix(err.Error(), "NOAUTH") {
		return err
	}
	if err == nil && answer != "+PONG" {
		return fmt.Errorf("it answered PING with %q", answer)
	}
	return nil
}

// askRedis sends one command on a connection of its own. Bulk strings are
// answered by their first line.
func askRedis(ctx context.Context, addr string, args ...string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // the connection is open
	} else {
		_ = conn.SetDeadline(time.Now().Add(startTimeout))
	}
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := conn.Write([]byte(command.String())); err != nil {
		return "", fmt.Errorf("ask Redis: %w", err)
	}
	answers := bufio.NewReader(conn)
	line, err := answers.ReadString('\n')
	if err == nil && strings.HasPrefix(line, "$") && !strings.HasPrefix(line, "$-1") {
		line, err = answers.ReadString('\n')
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("ask Redis: %w", err)
	case strings.HasPrefix(line, "-"):
		return "", errors.New(line[1:])
	}
	return line, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// closeAll closes servers, those that were started last first.
func closeAll[S Runs](servers []S) error {
	var errs []error
	for i := len(servers) - 1; i >= 0; i-- {
		errs = append(errs, servers[i].Close())
	}
	return errors.Join(errs...)
}

// logSizes and logTails make one log of several servers'.
func logSizes[S Runs](servers []S) (total int64) {
	for _, s := range servers {
		total += s.LogSize()
	}
	return total
}

func logTails[S Runs](servers []S) string {
	var all strings.Builder
	for i, s := range servers {
		fmt.Fprintf(&all, "--- server %d\n%s\n", i, s.LogTail(0))
	}
	return all.String()
}

// removed gives err after removing a directory that no server owns.
func removed(dir string, err error) error { return errors.Join(err, os.RemoveAll(dir)) }
