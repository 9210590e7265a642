package jetstream

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/trivetkv/trivet/pkg/broker"
)

// publisher writes what concurrent callers publish: one record at a time, with
// everything that has come in while the one before was being synced. A caller
// alone waits for one sync; many callers share it.
type publisher struct {
	mu     sync.Mutex
	queue  []*publication
	closed bool
	wake   chan struct{} // has a token while the queue may have changed
	done   chan struct{}
}

// publication is one call of Publish.
type publication struct {
	ctx      context.Context //nolint:containedctx // the call's own, looked at before its messages are written
	messages []broker.Message
	written  int // messages in records that were confirmed
	result   chan error
}

// Publish returns once every message is on disk. After an error each one may or
// may not be delivered.
func (b *Broker) Publish(ctx context.Context, messages ...broker.Message) error {
	for i, m := range messages {
		if size := messageBytes(m); size > broker.MaxMessageBytes {
			return fmt.Errorf("message %d has %d bytes, at most %d are carried: %w", i, size, broker.MaxMessageBytes, broker.ErrTooLarge)
		}
	}
	p := &publication{ctx: ctx, messages: messages, result: make(chan error, 1)}
	if err := b.publisher.add(p); err != nil {
		return err
	}
	select {
	case err := <-p.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *publisher) start(b *Broker) {
	p.wake = make(chan struct{}, 1)
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		p.run(b)
	}()
}

func (p *publisher) add(call *publication) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return broker.ErrClosed
	}
	if len(call.messages) == 0 {
		call.result <- nil
		return nil
	}
	p.queue = append(p.queue, call)
	p.signal()
	return nil
}

func (p *publisher) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// close refuses further calls and returns once the record under way is written.
func (p *publisher) close() {
	p.mu.Lock()
	p.closed = true
	p.signal()
	p.mu.Unlock()
	<-p.done
}

// signal is called with the lock held.
func (p *publisher) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *publisher) take() (calls []*publication, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls, p.queue = p.queue, nil
	return calls, p.closed
}

func (p *publisher) run(b *Broker) {
	var waiting []*publication
	for {
		// Callers that were just answered publish again within microseconds: let
		// them run first, or they miss this record and the next one is half full.
		runtime.Gosched()
		calls, closed := p.take()
		waiting = append(waiting, calls...)
		switch {
		case closed:
			for _, call := range waiting {
				call.result <- broker.ErrClosed
			}
			return
		case len(waiting) == 0:
			<-p.wake
		default:
			waiting = b.writeNext(waiting)
		}
	}
}

// writeNext writes one record with messages of the calls, answers those that
// are complete, and gives back the others.
func (b *Broker) writeNext(waiting []*publication) []*publication {
	waiting = withoutGivenUp(waiting)
	messages, shares := gather(waiting)
	if len(messages) == 0 {
		return waiting
	}
	err := b.write(messages)
	rest := waiting[:0]
	for i, call := range waiting {
		if i >= len(shares) {
			rest = append(rest, call)
			continue
		}
		call.written += shares[i]
		if err != nil || call.written == len(call.messages) {
			call.result <- err
			continue
		}
		rest = append(rest, call)
	}
	clear(waiting[len(rest):])
	return rest
}

// withoutGivenUp drops the calls whose callers have gone. One that is partly
// written stays partly written, as its error allows.
func withoutGivenUp(waiting []*publication) []*publication {
	rest := waiting[:0]
	for _, call := range waiting {
		if err := call.ctx.Err(); err != nil {
			call.result <- err
			continue
		}
		rest = append(rest, call)
	}
	clear(waiting[len(rest):])
	return rest
}

// gather takes messages in the order of the calls until a record is full, and
// tells how many each of the first calls has in it. One message always fits.
func gather(waiting []*publication) (messages []broker.Message, shares []int) {
	bytes := 0
	for _, call := range waiting {
		share := 0
		for _, m := range call.messages[call.written:] {
			size := messageBytes(m)
			if len(messages) == recordMessages || len(messages) > 0 && bytes+size > recordBytes {
				break
			}
			messages = append(messages, m)
			bytes += size
			share++
		}
		if share == 0 {
			break
		}
		shares = append(shares, share)
	}
	return messages, shares
}

func (b *Broker) write(messages []broker.Message) error {
	if bytes := b.journal.bytes(); bytes >= b.options.MaxBytes {
		return fmt.Errorf("the queue in %s holds %d bytes, at most %d are kept: %w", b.dir, bytes, b.options.MaxBytes, broker.ErrFull)
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	start := b.options.Now()
	if err := b.journal.append(ctx, start, messages); err != nil {
		return fmt.Errorf("publish to the queue in %s: %w", b.dir, err)
	}
	b.metrics.confirmed(b.options.Now().Sub(start))
	// The messages are on disk: a position that cannot be written only makes
	// damage harder to notice.
	if err := b.state.setConfirmed(b.journal.end()); err != nil {
		b.options.Logger.Error("the queue's position was not written", "directory", b.dir, "error", err)
	}
	return nil
}
