package process

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// heapHeadroom is how much garbage may lie around before it is collected,
	// however little is alive. Go's own rule, as much as is alive, makes a
	// server with a small heap collect many times a second under load.
	heapHeadroom = 96 << 20

	// goDefaultPercent is Go's own rule, which larger heaps keep.
	goDefaultPercent = 100
)

// tuneGarbageCollection lets a small heap grow by a fixed headroom between
// collections, for as long as the process runs. Whoever sets GOGC or GOMEMLIMIT
// knows better: then it does nothing.
func tuneGarbageCollection() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(percentFor(0))
	afterCollection()
}

// collections counts how often the percentage was set anew, for the test.
var collections atomic.Int64

// sentinel is garbage from the start: its cleanup runs after the next
// collection.
type sentinel struct{ _ [16]byte }

func afterCollection() {
	runtime.AddCleanup(new(sentinel), func(struct{}) {
		debug.SetGCPercent(percentFor(liveHeap()))
		collections.Add(1)
		afterCollection()
	}, struct{}{})
}

// percentFor gives GOGC for what is alive.
func percentFor(live uint64) int {
	const most = 1000 // what a nearly empty heap gets
	if live == 0 {
		return most
	}
	percent := math.Round(100 * heapHeadroom / float64(live))
	return int(min(max(percent, goDefaultPercent), most))
}

// liveHeap gives the bytes that the last collection found alive.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return heapHeadroom
	}
	return sample[0].Value.Uint64()
}
