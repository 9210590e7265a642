//go:build unix

package testserver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// redisSlots is how many slots a cluster divides its keys into.
const redisSlots = 16384

// redisPrimaries is how many servers of a cluster have keys of their own.
const redisPrimaries = 3

// RedisCluster is Redis servers that divide the keys among them: three
// primaries, then their replicas in the same order where there are any.
type RedisCluster struct{ Servers []*Redis }

// StartRedisCluster runs primaries without replicas and returns once all slots
// are served.
func StartRedisCluster(ctx context.Context) (*RedisCluster, error) { return startCluster(ctx, 0) }

// StartReplicatedRedisCluster runs primaries with a replica each, which take
// over when their primary is gone.
func StartReplicatedRedisCluster(ctx context.Context) (*RedisCluster, error) {
	return startCluster(ctx, redisPrimaries)
}

func startCluster(ctx context.Context, replicas int) (*RedisCluster, error) {
	c := &RedisCluster{}
	if err := c.start(ctx, redisPrimaries, replicas); err != nil {
		_ = c.Close() // err says what is wrong
		return nil, err
	}
	return c, nil
}

// NewRedisCluster gives a test a cluster of its own.
func NewRedisCluster(tb testing.TB) *RedisCluster {
	tb.Helper()
	return Own(tb, StartRedisCluster)
}

// NewReplicatedRedisCluster gives a test a cluster with replicas of its own.
func NewReplicatedRedisCluster(tb testing.TB) *RedisCluster {
	tb.Helper()
	return Own(tb, StartReplicatedRedisCluster)
}

var sharedCluster = Shared[*RedisCluster]{Start: StartRedisCluster}

// SharedRedisCluster gives the cluster that the test binary shares.
func SharedRedisCluster(tb testing.TB) *RedisCluster {
	tb.Helper()
	return sharedCluster.Get(tb)
}

func (c *RedisCluster) start(ctx context.Context, n, replicas int) error {
	busPorts := make([]int, n+replicas)
	for i := range busPorts {
		var err error
		if busPorts[i], err = FreePort(); err != nil {
			return err
		}
		server, err := StartRedis(ctx, "cluster-enabled yes", "repl-diskless-sync-delay 0", "cluster-node-timeout 2000", "cluster-port "+strconv.Itoa(busPorts[i]))
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, server)
	}
	for i, server := range c.Servers[:n] {
		first, last := i*redisSlots/n, (i+1)*redisSlots/n-1
		if _, err := server.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return fmt.Errorf("divide the slots: %w", err)
		}
		if _, err := server.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return fmt.Errorf("tell the nodes apart: %w", err)
		}
	}
	host, port, err := net.SplitHostPort(c.Servers[0].Addr())
	if err != nil {
		return fmt.Errorf("join the nodes: %w", err)
	}
	for _, server := range c.Servers[1:] {
		if _, err := server.Do(ctx, "CLUSTER", "MEET", host, port, strconv.Itoa(busPorts[0])); err != nil {
			return fmt.Errorf("join the nodes: %w", err)
		}
	}
	if err := c.await(ctx); err != nil {
		return err
	}
	return c.replicate(ctx, n)
}

// replicate makes replicas of all servers but the first n, and returns once they
// have their primaries' keys.
func (c *RedisCluster) replicate(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for i, replica := range c.Servers[n:] {
		id, err := c.Servers[i%n].Do(ctx, "CLUSTER", "MYID")
		if err != nil {
			return fmt.Errorf("ask a node's id: %w", err)
		}
		if _, err := replica.Do(ctx, "CLUSTER", "REPLICATE", id); err != nil {
			return fmt.Errorf("make a replica: %w", err)
		}
		for !replica.Tells(ctx, "replication", "master_link_status:up") {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("a replica does not reach its primary: %w", err)
			}
		}
	}
	return nil
}

// await returns once every node serves and knows all others.
func (c *RedisCluster) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	const served = "local i = redis.call('CLUSTER', 'INFO') return tostring(i:find('cluster_state:ok') ~= nil and i:find('cluster_known_nodes:%d') ~= nil)"
	for _, server := range c.Servers {
		for {
			answer, err := server.Do(ctx, "EVAL", fmt.Sprintf(served, len(c.Servers)), "0")
			if err == nil && answer == "true" {
				break
			}
			if perr := pause(ctx, 50*time.Millisecond); perr != nil {
				return fmt.Errorf("the cluster does not come together: %q, %w", answer, perr)
			}
		}
	}
	return nil
}

// URL gives the URL of all nodes.
func (c *RedisCluster) URL() string {
	addrs := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		addrs[i] = s.Addr()
	}
	return "redis+cluster://" + strings.Join(addrs, ",") + "/"
}

// LogSize gives the length of all logs.
func (c *RedisCluster) LogSize() int64 { return logSizes(c.Servers) }

// LogTail gives the ends of all logs.
func (c *RedisCluster) LogTail(int64) string { return logTails(c.Servers) }

// Close ends all nodes.
func (c *RedisCluster) Close() error { return closeAll(c.Servers) }
