package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Gate bounds the requests in flight: of all callers together, and of each.
// What is over a bound is refused at once, before a queue can build.
type Gate struct {
	total, perCaller int64
	inFlight         atomic.Int64
	seed             maphash.Seed
	shards           [64]callers
}

type callers struct {
	mu     sync.Mutex
	counts map[string]int64
	_      [40]byte // keeps shards on cache lines of their own
}

// NewGate makes a gate with bounds above 0.
func NewGate(total, perCaller int) *Gate {
	g := &Gate{total: int64(total), perCaller: int64(perCaller), seed: maphash.MakeSeed()}
	for i := range g.shards {
		g.shards[i].counts = map[string]int64{}
	}
	return g
}

// Refusal says which bound was met.
type Refusal string

// Refusals of a gate.
const (
	RefusedTotal  Refusal = "total"
	RefusedCaller Refusal = "caller"
)

// Enter counts a request in, or says why it may not be. Leave follows every
// request that came in.
func (g *Gate) Enter(caller string) (Refusal, bool) {
	if g.inFlight.Add(1) > g.total {
		g.inFlight.Add(-1)
		return RefusedTotal, false
	}
	shard := g.shard(caller)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.counts[caller] >= g.perCaller {
		g.inFlight.Add(-1)
		return RefusedCaller, false
	}
	shard.counts[caller]++
	return "", true
}

// Leave counts a request out.
func (g *Gate) Leave(caller string) {
	g.inFlight.Add(-1)
	shard := g.shard(caller)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.counts[caller]--; shard.counts[caller] == 0 {
		delete(shard.counts, caller)
	}
}

// InFlight gives the number of requests that are in.
func (g *Gate) InFlight() int64 { return g.inFlight.Load() }

func (g *Gate) shard(caller string) *callers {
	return &g.shards[maphash.String(g.seed, caller)%uint64(len(g.shards))]
}
