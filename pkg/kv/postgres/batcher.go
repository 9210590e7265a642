package postgres

import (
	"runtime"
	"sync"
	"time"
)

// patience is for how long a batch that is under way holds back a smaller one.
const patience = 5 * time.Millisecond

// batcher runs what is submitted in batches, several at a time. While none is
// under way, what comes is run at once. Beside others a batch begins once it is
// as large as they are: a batch costs more than its items, and a few that went
// by themselves would slow down the many. What is held back goes at the latest
// when another batch ends, or those under way have taken so long that they may
// be waiting for something.
type batcher[T any] struct {
	limit int                               // of batches under way
	take  func(queue []T) (batch, rest []T) // what is to be run together
	run   func(batch []T)

	mu       sync.Mutex
	queue    []T
	starting bool // a worker is about to take from the queue
	running  int  // batches under way
	young    int  // those that hold back smaller ones
	items    int  // in these
	closed   bool
	workers  sync.WaitGroup
}

func newBatcher[T any](limit int, take func([]T) (batch, rest []T), run func([]T)) *batcher[T] {
	return &batcher[T]{limit: limit, take: take, run: run}
}

// submit queues an item, and tells whether it did.
func (b *batcher[T]) submit(item T) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.queue = append(b.queue, item)
	b.start()
	return true
}

// due tells whether a batch is to begin. The caller holds the lock.
func (b *batcher[T]) due() bool {
	n := len(b.queue)
	return n > 0 && !b.starting && b.running < b.limit && n*b.young >= b.items
}

// start has a worker begin a batch when one is due. The caller holds the lock.
func (b *batcher[T]) start() {
	if b.due() {
		b.starting = true
		b.workers.Go(b.work)
	}
}

// work runs batches as long as they are due. Those who are about to submit, such
// as the callers whom one batch has answered, get to do so before the first.
func (b *batcher[T]) work() {
	runtime.Gosched()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starting = false
	for b.due() {
		var batch []T
		batch, b.queue = b.take(b.queue)
		b.running++
		end := b.begin(len(batch))
		b.start() // for what a full batch has left
		b.mu.Unlock()
		b.run(batch)
		b.mu.Lock()
		end()
		b.running--
	}
}

// begin counts a batch of n items as young until it has been under way for a
// while, or the function that it gives is called. Both callers hold the lock.
func (b *batcher[T]) begin(n int) (end func()) {
	b.young++
	b.items += n
	young := true
	age := func() {
		if young {
			young = false
			b.young--
			b.items -= n
		}
	}
	timer := time.AfterFunc(patience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if young { // and so its worker has not ended, for which close waits
			age()
			b.start()
		}
	})
	return func() {
		timer.Stop()
		age()
	}
}

// close accepts nothing more and waits for what has been accepted.
func (b *batcher[T]) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.workers.Wait()
}
