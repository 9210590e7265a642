package process

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestSmallHeapsGrowByTheHeadroom(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{
		0:                1000,
		1 << 20:          1000,
		heapHeadroom / 4: 400,
		heapHeadroom:     100,
		1 << 30:          100,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB alive: GOGC %d, want %d", live>>20, got, want)
		}
	}
}

func TestWhoSetsGOGCKnowsBetter(t *testing.T) {
	t.Setenv("GOGC", "50")
	before := debug.SetGCPercent(50)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	tuneGarbageCollection()
	if got := debug.SetGCPercent(50); got != 50 {
		t.Errorf("GOGC %d, want what was set", got)
	}
}

// It is not parallel: GOGC is one for the process.
func TestEveryCollectionSetsThePercentageAnew(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	tuneGarbageCollection()
	live := make([]byte, 2*heapHeadroom)
	for range 2 {
		seen := collections.Load()
		runtime.GC()
		for deadline := time.Now().Add(10 * time.Second); collections.Load() == seen; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatal("a collection did not set the percentage")
			}
		}
	}
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC %d with a large heap, want Go's own 100", got)
	}
	runtime.KeepAlive(live)
}
