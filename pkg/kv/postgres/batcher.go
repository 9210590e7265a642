package postgres

import "sync"

// batcher runs what is submitted in batches, several at a time. It never waits
// for more: while fewer batches than the limit are under way, what comes is run
// at once; what comes meanwhile goes with the next batch.
type batcher[T any] struct {
	limit int
	take  func(queue []T) (batch, rest []T) // what is to be run together
	run   func(batch []T)

	mu      sync.Mutex
	queue   []T
	running int
	closed  bool
	workers sync.WaitGroup
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
	if b.running < b.limit {
		b.running++
		b.workers.Go(b.work)
	}
	return true
}

// work runs batches until the queue is empty.
func (b *batcher[T]) work() {
	for {
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.running--
			b.mu.Unlock()
			return
		}
		var batch []T
		batch, b.queue = b.take(b.queue)
		b.mu.Unlock()
		b.run(batch)
	}
}

// close accepts nothing more and waits for what has been accepted.
func (b *batcher[T]) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.workers.Wait()
}
