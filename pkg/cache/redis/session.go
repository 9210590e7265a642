package redis

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// session is a client whose every connection leads to the same state of Redis:
// to primaries that have been neither started again nor promoted since. It ends
// with that state.
type session struct {
	client   goredis.UniversalClient
	topology topology
	state    string       // names the state; set before the session is used
	down     atomic.Bool  // it did not answer; the next look tells whether it does again
	ended    atomic.Bool  // another state was found in its place
	ahead    atomic.Int64 // µs that the servers' clock is ahead of this process's, at most

	mu    sync.Mutex
	nodes map[string]bool // states of the primaries; while state is not known, of those that were met
}

// node is what a server says about itself.
type node struct {
	state    string // names its data: changes with each start and with each promotion
	primary  bool
	sentinel bool   // it keeps no data and tells where the primary is
	policy   string // maxmemory-policy, "" where it is not told
	bounded  bool   // it has a maxmemory
	at       time.Time
}

var (
	errAnotherState = errors.New("redis is in another state than before: it was started again, or another server was promoted")
	errReplica      = errors.New("the server is a replica; expected the primary")
	errNameless     = errors.New("the server tells no run id and no replication id (INFO), by which a restart could be seen")
)

// asked is a server, or one connection to it.
type asked interface {
	Pipelined(ctx context.Context, fn func(goredis.Pipeliner) error) ([]goredis.Cmder, error)
}

// look asks a server about itself.
func look(ctx context.Context, c asked) (node, error) {
	var server, replication, memory *goredis.StringCmd
	var clock *goredis.TimeCmd
	_, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
		server, replication, memory, clock = p.Info(ctx, "server"), p.Info(ctx, "replication"), p.Info(ctx, "memory"), p.Time(ctx)
		return nil
	})
	if server != nil && field(server.Val(), "redis_mode") == "sentinel" {
		return node{sentinel: true}, nil // which has no clock to tell
	}
	if err != nil {
		return node{}, err
	}
	run, replica := field(server.Val(), "run_id"), field(replication.Val(), "master_replid")
	if run == "" && replica == "" {
		return node{}, errNameless
	}
	return node{
		state:   run + ":" + replica,
		primary: field(replication.Val(), "role") == "master",
		policy:  field(memory.Val(), "maxmemory_policy"),
		bounded: field(memory.Val(), "maxmemory") != "0",
		at:      clock.Val(),
	}, nil
}

func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimRight(value, "\r\n")
		}
	}
	return ""
}

// open makes a session of the servers as they are now. It loads the scripts.
func (a Address) open(ctx context.Context, opts Options, scripts []script) (*session, []node, error) {
	s := &session{topology: a.topology, nodes: map[string]bool{}}
	s.client = a.dial(opts, s.meet)
	nodes, err := s.look(ctx)
	if err == nil {
		err = s.settle(nodes)
	}
	for i := 0; err == nil && i < len(scripts); i++ {
		err = s.client.ScriptLoad(ctx, scripts[i].source).Err()
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.client.Close())
	}
	return s, nodes, nil
}

// meet looks at the server behind a new connection before the connection is
// used, so that no step is made on a server that may have lost something.
func (s *session) meet(ctx context.Context, conn *goredis.Conn) error {
	n, err := look(ctx, conn)
	switch {
	case err != nil:
		return err
	case n.sentinel:
		return nil
	case !n.primary && s.topology == cluster:
		return nil // it tells where the primaries are, and is asked nothing else
	case !n.primary:
		s.ended.Store(true)
		return errReplica
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == "" {
		s.nodes[n.state] = true
		return nil
	}
	if !s.nodes[n.state] {
		s.ended.Store(true)
		s.down.Store(true)
		return errAnotherState
	}
	return nil
}

// look asks all primaries about themselves, and takes down how far their clock
// is ahead of this process's.
func (s *session) look(ctx context.Context) ([]node, error) {
	before := monotonic()
	var nodes []node
	if c, ok := s.client.(*goredis.ClusterClient); ok {
		var mu sync.Mutex
		err := c.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error {
			n, err := look(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, n)
			return err
		})
		if err != nil {
			return nil, err
		}
	} else {
		n, err := look(ctx, s.client)
		if err != nil {
			return nil, err
		}
		if !n.primary {
			s.ended.Store(true)
			return nil, errReplica
		}
		nodes = []node{n}
	}
	if len(nodes) == 0 {
		return nil, errors.New("the cluster has no primary")
	}
	latest := slices.MaxFunc(nodes, func(a, b node) int { return a.at.Compare(b.at) })
	s.ahead.Store(latest.at.UnixMicro() - before)
	return nodes, nil
}

// settle names the state, after which no connection to another is let in.
func (s *session) settle(nodes []node) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	met := s.nodes
	s.nodes = map[string]bool{}
	for _, n := range nodes {
		s.nodes[n.state] = true
	}
	for state := range met {
		if !s.nodes[state] {
			return errAnotherState
		}
	}
	s.state = stateOf(nodes)
	return nil
}

// stateOf names the state of all primaries together.
func stateOf(nodes []node) string {
	if len(nodes) == 1 {
		return nodes[0].state
	}
	states := map[string]bool{}
	for _, n := range nodes {
		states[n.state] = true
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.SortedFunc(maps.Keys(states), cmp.Compare[string]), " ")))
	return fmt.Sprintf("%d:%s", len(states), hex.EncodeToString(sum[:16]))
}

// now estimates the server's time in µs, and is never early: what an entry has
// left by it is not more than Redis would say.
func (s *session) now() int64 { return monotonic() + s.ahead.Load() }

var epochStart = time.Now()

// monotonic gives a time of this process in µs, for differences only.
func monotonic() int64 { return time.Since(epochStart).Microseconds() }
