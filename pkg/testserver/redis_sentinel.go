//go:build unix

package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var sentinelProgram = Program{
	Name:     "Redis Sentinel",
	Binary:   "redis-sentinel",
	Packages: []string{"redis-sentinel"},
	Others:   "Fedora: sudo dnf install redis. macOS: brew install redis.",
}

// RedisSentinelName is the name under which the Sentinels know the primary.
const RedisSentinelName = "trivet"

// RedisSentinel is two Redis servers, of which one is the primary and the other
// its replica, and three Sentinels that make a primary of the replica when the
// primary has not answered for half a second.
type RedisSentinel struct {
	Servers   []*Redis
	Sentinels []*Server
	addrs     []string // of the Sentinels
}

// StartRedisSentinel runs the servers and returns once the Sentinels know each
// other and the replica.
func StartRedisSentinel(ctx context.Context) (_ *RedisSentinel, err error) {
	r := &RedisSentinel{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	for range 2 {
		settings := []string{"repl-diskless-sync-delay 0"}
		if len(r.Servers) > 0 {
			settings = append(settings, "replicaof "+strings.Replace(r.Servers[0].Addr(), ":", " ", 1))
		}
		server, err := StartRedis(ctx, settings...)
		if err != nil {
			return r, err
		}
		r.Servers = append(r.Servers, server)
	}
	for range 3 {
		if err := r.addSentinel(ctx); err != nil {
			return r, err
		}
	}
	return r, r.await(ctx)
}

// NewRedisSentinel gives a test servers of its own.
func NewRedisSentinel(tb testing.TB) *RedisSentinel {
	tb.Helper()
	return Own(tb, StartRedisSentinel)
}

var sharedSentinel = Shared[*RedisSentinel]{Start: StartRedisSentinel}

// SharedRedisSentinel gives the servers that the test binary shares.
func SharedRedisSentinel(tb testing.TB) *RedisSentinel {
	tb.Helper()
	return sharedSentinel.Get(tb)
}

func (r *RedisSentinel) addSentinel(ctx context.Context) error {
	path, err := sentinelProgram.Find(ctx)
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	dir, err := NewDir("sentinel", nil)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "sentinel.conf") // Sentinel writes to it
	lines := []string{
		fmt.Sprintf("port %d", port), "bind 127.0.0.1", "dir " + dir,
		fmt.Sprintf("sentinel monitor %s %s 2", RedisSentinelName, strings.Replace(r.Servers[0].Addr(), ":", " ", 1)),
		fmt.Sprintf("sentinel down-after-milliseconds %s 500", RedisSentinelName),
		fmt.Sprintf("sentinel failover-timeout %s 3000", RedisSentinelName),
	}
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return removed(dir, fmt.Errorf("configure a Sentinel: %w", err))
	}
	addr := loopback(port)
	server, err := Start(ctx, Spec{
		Name: "Redis Sentinel", Path: path, Args: []string{config}, Dir: dir,
		Ready: func(ctx context.Context) error { return pingRedis(ctx, addr) },
	})
	if err != nil {
		return err
	}
	r.Sentinels = append(r.Sentinels, server)
	r.addrs = append(r.addrs, addr)
	return nil
}

// await returns once every Sentinel could make a primary of the replica.
func (r *RedisSentinel) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, addr := range r.addrs {
		for {
			// The Sentinels that agree, this one and two others, and the replica.
			answer, err := askRedis(ctx, addr, "SENTINEL", "CKQUORUM", RedisSentinelName)
			if err == nil && strings.Contains(answer, "3 usable") {
				var replicas string
				if replicas, err = askRedis(ctx, addr, "SENTINEL", "REPLICAS", RedisSentinelName); err == nil && replicas == "*1" {
					break
				}
			}
			if perr := pause(ctx, 50*time.Millisecond); perr != nil {
				return fmt.Errorf("the Sentinels do not come together: %q, %w", answer, errors.Join(err, perr))
			}
		}
	}
	return nil
}

// URL gives the URL by which clients find the primary.
func (r *RedisSentinel) URL() string {
	return "redis+sentinel://" + strings.Join(r.addrs, ",") + "/" + RedisSentinelName
}

// Primary gives the server that says that it is the primary, nil when none
// does.
func (r *RedisSentinel) Primary(ctx context.Context) *Redis {
	for _, s := range r.Servers {
		if s.PID() == 0 {
			continue
		}
		if role, err := roleOf(ctx, s); err == nil && role == "master" {
			return s
		}
	}
	return nil
}

func roleOf(ctx context.Context, s *Redis) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.Do(ctx, "EVAL", "return redis.call('INFO', 'replication'):match('role:(%a+)')", "0")
}

// LogSize gives the length of all logs.
func (r *RedisSentinel) LogSize() int64 { return logSizes(r.Servers) + logSizes(r.Sentinels) }

// LogTail gives the ends of all logs.
func (r *RedisSentinel) LogTail(int64) string { return logTails(r.Servers) + logTails(r.Sentinels) }

// Close ends all servers.
func (r *RedisSentinel) Close() error {
	return errors.Join(closeAll(r.Sentinels), closeAll(r.Servers))
}
