package limit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Gate bounds what is in use, such as requests in flight or the bytes of their
// bodies: by all callers together, and by each. What is over a bound is refused
// at once, before a queue can build.
type Gate struct {
	total, perCaller int64
	inUse            atomic.Int64
	seed             maphash.Seed
	shards           [64]callers
}

type callers struct {
	mu    sync.Mutex
	inUse map[string]int64
	_     [40]byte // keeps shards on cache lines of their own
}

// NewGate makes a gate with bounds above 0.
func NewGate(total, perCaller int64) *Gate {
	g := &Gate{total: total, perCaller: perCaller, seed: maphash.MakeSeed()}
	for i := range g.shards {
		g.shards[i].inUse = map[string]int64{}
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

// Enter takes n for a caller, or says why it may not. Leave gives back what was
// taken.
func (g *Gate) Enter(caller string, n int64) (Refusal, bool) {
	shard := g.shard(caller)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	// A caller who is over its own bound must not count, even for a moment,
	// against the bound of all.
	if shard.inUse[caller]+n > g.perCaller {
		return RefusedCaller, false
	}
	if g.inUse.Add(n) > g.total {
		g.inUse.Add(-n)
		return RefusedTotal, false
	}
	shard.inUse[caller] += n
	return "", true
}

// Leave gives n back.
func (g *Gate) Leave(caller string, n int64) {
	g.inUse.Add(-n)
	shard := g.shard(caller)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.inUse[caller] -= n; shard.inUse[caller] == 0 {
		delete(shard.inUse, caller)
	}
}

// InUse gives what all callers have taken.
func (g *Gate) InUse() int64 { return g.inUse.Load() }

// InUseBy gives what a caller has taken.
func (g *Gate) InUseBy(caller string) int64 {
	shard := g.shard(caller)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return shard.inUse[caller]
}

// PerCaller gives the most that one caller may take.
func (g *Gate) PerCaller() int64 { return g.perCaller }

func (g *Gate) shard(caller string) *callers {
	return &g.shards[maphash.String(g.seed, caller)%uint64(len(g.shards))]
}
