package postgres

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// workshop is where the batches of a test are under way until they are let go.
type workshop struct {
	mu      sync.Mutex
	running [][]int
	let     map[int]chan struct{} // by the first item
}

func (w *workshop) run(batch []int) {
	w.mu.Lock()
	w.running = append(w.running, batch)
	done := w.let[batch[0]]
	w.mu.Unlock()
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = slices.DeleteFunc(w.running, func(b []int) bool { return b[0] == batch[0] })
}

// TestABatchBeginsBesideOthersWhenItIsAsLarge goes through what decides when a
// batch begins, with all goroutines at rest between the steps.
func TestABatchBeginsBesideOthersWhenItIsAsLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &workshop{let: map[int]chan struct{}{}}
		for i := range 20 {
			w.let[i] = make(chan struct{})
		}
		b := newBatcher(2, func(queue []int) (batch, rest []int) { return slices.Clone(queue), nil }, w.run)
		submit := func(items ...int) {
			for _, i := range items {
				if !b.submit(i) {
					t.Fatal("it is not closed")
				}
			}
			synctest.Wait()
		}
		finish := func(first int) {
			close(w.let[first])
			synctest.Wait()
		}
		want := func(why string, batches ...[]int) {
			t.Helper()
			w.mu.Lock()
			defer w.mu.Unlock()
			if !slices.EqualFunc(w.running, batches, slices.Equal) {
				t.Errorf("%s: under way are %v, want %v", why, w.running, batches)
			}
		}
		submit(0)
		want("nothing was under way", []int{0})
		submit(1)
		want("it is as large", []int{0}, []int{1})
		submit(2, 3, 4)
		want("no more than two at a time", []int{0}, []int{1})
		finish(0)
		want("one has ended", []int{1}, []int{2, 3, 4})
		finish(1)
		submit(5, 6)
		want("smaller than what is under way", []int{2, 3, 4})
		submit(7)
		want("as large as that", []int{2, 3, 4}, []int{5, 6, 7})
		finish(2)
		submit(8)
		want("small again", []int{5, 6, 7})
		finish(5)
		want("nothing else is under way any more", []int{8})
		finish(8)
		submit(9)
		submit(10, 11)
		finish(9)
		submit(12)
		want("held back", []int{10, 11})
		time.Sleep(patience) // of the test's own clock
		synctest.Wait()
		want("what is under way takes its time", []int{10, 11}, []int{12})
		finish(10)
		finish(12)
		want("all have ended")
		b.close()
		if b.submit(13) {
			t.Error("it takes more when it is closed")
		}
	})
}

// TestWhatAFullBatchLeavesDoesNotWaitForIt submits at once what goes one by one.
func TestWhatAFullBatchLeavesDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var under sync.WaitGroup
		under.Add(3)
		b := newBatcher(3, func(queue []int) (batch, rest []int) { return queue[:1:1], queue[1:] }, func([]int) {
			under.Done()
			under.Wait() // until all three are
		})
		for i := range 3 {
			b.submit(i)
		}
		b.close()
		if took := time.Since(began); took > 0 {
			t.Errorf("the last one was held back for %v", took)
		}
	})
}

// TestNothingIsLeftInABatcher has many submit at once.
func TestNothingIsLeftInABatcher(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ran := map[int]int{}
	b := newBatcher(3, func(queue []int) (batch, rest []int) {
		n := min(len(queue), 7)
		return slices.Clone(queue[:n]), queue[n:]
	}, func(batch []int) {
		mu.Lock()
		defer mu.Unlock()
		for _, i := range batch {
			ran[i]++
		}
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				b.submit(g*1000 + i)
			}
		})
	}
	wg.Wait()
	b.close()
	if len(ran) != 8000 {
		t.Errorf("%d items of 8000 were run", len(ran))
	}
	for i, n := range ran {
		if n != 1 {
			t.Errorf("item %d was run %d times", i, n)
		}
	}
}
