package transfer

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"sync"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

// A window ends once it has read so much. It is what an import that was
// interrupted reads again.
const (
	windowEntries = 16000
	windowBytes   = 64 << 20
)

// lanes is how many batches are under way at a time. The entries of one key
// are all in one lane, which keeps their order. The cut into batches follows
// from it, so another number would break checkpoints.
const lanes = 4

// window imports the entries up to the window's end, or the input's. What it
// answers is done even when there is an error.
func (im *importer) window(ctx context.Context) (done Imported, end bool, err error) {
	// When a batch has failed no other is begun, and those under way are
	// finished, so that it is known what came of them.
	w := &window{im: im, failed: make(chan struct{})}
	var workers sync.WaitGroup
	for i := range w.queues {
		queue := make(chan *batch)
		w.queues[i] = queue
		workers.Go(func() { w.work(ctx, queue) })
	}
	end, err = w.read(ctx)
	for _, queue := range w.queues {
		close(queue)
	}
	workers.Wait()
	if w.err != nil {
		err = w.err // what stopped the reading, if anything
	}
	return w.done, end, err
}

type window struct {
	im     *importer
	queues [lanes]chan<- *batch

	mu     sync.Mutex
	done   Imported
	err    error         // the first
	failed chan struct{} // closed with it
}

// read cuts the window into batches. Where it cuts depends on the input alone.
func (w *window) read(ctx context.Context) (end bool, err error) {
	scan := w.im.scan
	begin := scan.next.Offset
	var open [lanes]*batch
	for entries := 0; entries < windowEntries && scan.next.Offset-begin < windowBytes; entries++ {
		from := scan.next.Offset
		text, line, err := scan.record()
		if errors.Is(err, io.EOF) {
			end = true
			break
		}
		if err != nil {
			return false, err
		}
		entry, err := w.im.decode(text)
		if err == nil {
			err = check(entry, w.im.state.Begun[0])
		}
		if err != nil {
			return false, &LineError{line, err}
		}
		lane := laneOf(entry.Key)
		if open[lane] != nil && !open[lane].hasRoom(entry) {
			if err := w.queue(ctx, lane, open[lane]); err != nil {
				return false, err
			}
			open[lane] = nil
		}
		if open[lane] == nil {
			open[lane] = new(batch)
		}
		open[lane].add(entry, line, scan.next.Offset-from)
	}
	for lane, b := range open {
		if b == nil {
			continue
		}
		if err := w.queue(ctx, lane, b); err != nil {
			return false, err
		}
	}
	return end, nil
}

func laneOf(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() % lanes)
}

// check refuses what the server would refuse, before anything behind it is
// sent.
func check(e kv.Entry, begun time.Time) error {
	if e.ExpiresAt.Sub(begun) > kv.MaxTTL {
		return kv.Invalid("expires_at", "the time is further away than the longest time to live, %v", kv.MaxTTL)
	}
	return kv.Operation{Kind: kv.KindPut, Key: e.Key, Value: e.Value, ContentType: e.ContentType, Meta: e.Meta}.Check()
}

func (w *window) queue(ctx context.Context, lane int, b *batch) error {
	select {
	case <-w.failed:
		return w.err
	default:
	}
	select {
	case w.queues[lane] <- b:
		return nil
	case <-w.failed:
		return w.err
	case <-ctx.Done():
		return kv.AsError(ctx.Err())
	}
}

func (w *window) work(ctx context.Context, queue <-chan *batch) {
	for b := range queue {
		done, err := w.im.write(ctx, b)
		w.report(done, err)
		if err != nil {
			return
		}
	}
}

func (w *window) report(done Imported, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done.add(done)
	if err != nil && w.err == nil {
		w.err = err
		close(w.failed)
	}
	if w.im.opts.Progress != nil {
		total := w.im.state.Imported
		total.add(w.done)
		w.im.opts.Progress(total)
	}
}
