package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
)

// namespaces that workers write to: the change log is one, and each namespace
// sees its part of it.
var namespaces = []string{"alpha", "beta", "gamma"}

// maxWorkers bounds the workers' ids, so that no two increments are by the same.
const maxWorkers = 64

// worker makes one kind of write, one after another, until the server is gone.
type worker struct {
	id       int
	next     func(ctx context.Context, w *worker, c *client) *request
	ns       string
	rng      *rand.Rand
	seq      int
	requests int
	since    func() clock

	pending *request              // without an answer, to be repeated after the restart
	known   map[string]kv.Version // of keys whose version the worker has just seen

	made  []*request // in this round
	found []violation
}

// newWorkers makes 32 workers: several of each kind, so that the kinds that
// share keys compete with each other.
func newWorkers(seed uint64, since func() clock) []*worker {
	var all []*worker
	add := func(n int, ns string, next func(context.Context, *worker, *client) *request) {
		for range n {
			id := len(all)
			w := &worker{id: id, next: next, ns: ns, since: since, known: map[string]kv.Version{}}
			if ns == "" {
				w.ns = namespaces[id%len(namespaces)]
			}
			w.rng = rand.New(rand.NewPCG(seed, uint64(id))) //nolint:gosec // load, not secrets
			all = append(all, w)
		}
	}
	add(8, "", nextPut)
	add(4, "alpha", nextCreate)
	add(4, "beta", nextSwap)
	add(4, "gamma", nextIncrement)
	add(4, "alpha", nextTxn)
	add(4, "", nextBatch)
	add(4, "", nextAsync)
	return all
}

// run sends requests until one gets no answer, which is when the server was
// killed. One that can be repeated is the first of the next round.
func (w *worker) run(ctx context.Context, c *client) {
	w.made, w.found = nil, nil
	clear(w.known)
	for ctx.Err() == nil {
		r := w.pending
		if r == nil {
			if r = w.next(ctx, w, c); r == nil {
				return
			}
			r.start = w.since()
		}
		w.made = append(w.made, r)
		if !w.send(ctx, c, r) {
			return
		}
		w.look(ctx, c, r)
	}
}

// send makes a request, and tells whether it was answered.
func (w *worker) send(ctx context.Context, c *client, r *request) bool {
	w.pending = nil
	err := c.send(ctx, r)
	if wrong := (*unexpected)(nil); errors.As(err, &wrong) {
		w.violate(answers, r, "%s", wrong)
	} else if err != nil && r.idempotencyKey != "" {
		w.pending = r
	}
	if err != nil {
		return false
	}
	r.end = w.since()
	if r.async {
		r.end = forever
	}
	for _, write := range r.writes {
		delete(w.known, write.key)
		if write.outcome == applied && write.kind != kv.KindDelete {
			w.known[write.key] = write.version
		}
	}
	return true
}

// look reads a write of the worker's own key back at times: its reads may not
// be older.
func (w *worker) look(ctx context.Context, c *client, r *request) {
	write := r.writes[0]
	if r.call != single || write.kind != kv.KindPut || write.guard != nil || write.outcome != applied || w.rng.IntN(5) != 0 {
		return
	}
	value, v, err := c.get(ctx, r.ns, write.key, w.rng.IntN(2) == 0)
	if err == nil && (v != write.version || !bytes.Equal(value, write.value)) {
		w.violate(stale, r, "version %d was read behind the answer of version %d", v, write.version)
	}
}

func (w *worker) violate(f fault, r *request, format string, args ...any) {
	w.found = append(w.found, violation{f, r.ns, r.writes[0].key, fmt.Sprintf(format, args...)})
}

// request makes a request of writes, repeatable in the given share of cases.
func (w *worker) request(c call, repeatable float64, writes ...*write) *request {
	w.requests++
	r := &request{ns: w.ns, call: c, writes: writes, end: forever}
	for _, write := range writes {
		write.request = r
	}
	if w.rng.Float64() < repeatable {
		r.idempotencyKey = fmt.Sprintf("worker-%d-request-%d", w.id, w.requests)
	}
	return r
}

func (w *worker) put(key string) *write {
	size := w.rng.IntN(200)
	if w.rng.IntN(500) == 0 {
		size = kv.MaxChangeValueBytes + w.rng.IntN(1000) // left out of the change log's answers
	}
	write := w.write(kv.KindPut, key)
	write.value = fmt.Appendf(nil, "w%d-%d|", w.id, write.seq)
	write.value = append(write.value, strings.Repeat(string(rune('a'+write.seq%26)), size)...)
	return write
}

func (w *worker) delete(key string) *write { return w.write(kv.KindDelete, key) }

func (w *worker) increment(key string) *write {
	write := w.write(kv.KindIncrement, key)
	write.by = int64(write.seq)*maxWorkers + int64(w.id)
	return write
}

func (w *worker) write(kind kv.Kind, key string) *write {
	w.seq++
	return &write{worker: w.id, seq: w.seq, kind: kind, key: key}
}

// own names one of the worker's own keys.
func (w *worker) own(kind string, of int) string {
	return fmt.Sprintf("%s/%d/key %d%%", kind, w.id, w.rng.IntN(of))
}

// nextPut puts and deletes the worker's own keys.
func nextPut(_ context.Context, w *worker, _ *client) *request {
	key := w.own("put", 20)
	if w.rng.IntN(6) == 0 {
		return w.request(single, 0.3, w.delete(key))
	}
	return w.request(single, 0.3, w.put(key))
}

// nextCreate creates keys that other workers want to create too.
func nextCreate(_ context.Context, w *worker, _ *client) *request {
	write := w.put(fmt.Sprintf("create/%d", w.requests))
	write.guard = new(kv.Version)
	return w.request(single, 0.3, write)
}

// nextSwap goes on a chain of conditional writes: alone, or against others.
func nextSwap(ctx context.Context, w *worker, c *client) *request {
	key, shared := w.own("swap", 3), w.rng.IntN(3) == 0
	if shared {
		key = "swap/shared"
	}
	guard, ok := w.known[key]
	if !ok {
		var err error
		if _, guard, err = c.get(ctx, w.ns, key, true); err != nil {
			return nil
		}
	}
	write := w.put(key)
	if guard != 0 && !shared && w.rng.IntN(10) == 0 {
		write = w.delete(key)
	}
	write.guard = &guard
	return w.request(single, 0.3, write)
}

// nextIncrement adds to counters that all workers of the kind share.
func nextIncrement(_ context.Context, w *worker, _ *client) *request {
	return w.request(single, 0.5, w.increment(fmt.Sprintf("counter/%d", w.rng.IntN(4))))
}

// nextTxn writes 2 to 5 keys that all workers of the kind share, and at times
// asks for what cannot be.
func nextTxn(_ context.Context, w *worker, _ *client) *request {
	var writes []*write
	for _, i := range w.rng.Perm(12)[:2+w.rng.IntN(4)] {
		writes = append(writes, w.put(fmt.Sprintf("txn/%d", i)))
	}
	if w.rng.IntN(4) == 0 {
		writes = append(writes, w.increment("txn/counter"))
	}
	r := w.request(txn, 0.5, writes...)
	r.impossible = w.rng.IntN(10) == 0
	return r
}

// nextBatch mixes writes of the worker's own keys; some are of one key.
func nextBatch(_ context.Context, w *worker, _ *client) *request {
	r := w.request(batch, 0.5)
	for range 2 + w.rng.IntN(9) {
		key, counter := w.own("batch", 6), w.own("batch counter", 2)
		write := w.put(key)
		switch w.rng.IntN(6) {
		case 0:
			write = w.delete(key)
		case 1:
			write = w.increment(counter)
		}
		write.request = r
		r.writes = append(r.writes, write)
	}
	return r
}

// nextAsync queues writes of the worker's own keys.
func nextAsync(_ context.Context, w *worker, _ *client) *request {
	write := w.put(w.own("async", 5))
	if w.rng.IntN(4) == 0 {
		write = w.increment(w.own("async counter", 2))
	}
	r := w.request(single, 0.5, write)
	r.async = true
	return r
}
