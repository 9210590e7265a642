// Package jetstream is a broker inside this process: an embedded NATS server
// without a port, with JetStream on the local disk, every message synced
// before it is confirmed.
//
// The streams are the truth: messages are read from them in order by offset,
// and no consumer state is kept that could bring a redelivery after newer
// messages. What was handled is remembered by one number, the offset below
// which every message is settled; losing it costs redeliveries, never messages.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trivetkv/trivet/pkg/broker"
)

// Options of Open; every zero value means the default.
type Options struct {
	Logger     *slog.Logger          // nil: none
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: time.Now

	// MaxBytes bounds the queue on disk; above it Publish answers
	// broker.ErrFull. Default 4 GiB.
	MaxBytes int64

	// SegmentBytes is about how much is kept on disk when everything is settled,
	// and read again by a start after a crash. Default 8 MiB.
	SegmentBytes int64

	// A message that has to come again comes after RetryMin, then after twice
	// as long each time until RetryMax, with jitter. Defaults 50 ms and 5 s.
	RetryMin, RetryMax time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 8 << 20
	}
	if o.RetryMin == 0 {
		o.RetryMin = 50 * time.Millisecond
	}
	if o.RetryMax == 0 {
		o.RetryMax = 5 * time.Second
	}
	return o
}

// Broker is a [broker.Broker] in a directory.
type Broker struct {
	dir      string
	options  Options
	lockFile *os.File
	state    *stateStore
	embedded *embedded
	journal  *journal
	dead     *deadLetters
	backlog  *backlog
	metrics  *metrics

	publisher publisher

	mu           sync.Mutex
	subscription *subscription // the active one

	fault     atomic.Pointer[error] // the damage that stopped the reading
	closeOnce sync.Once
	closeErr  error
}

var _ broker.Broker = (*Broker)(nil)

const (
	lockFileName = "lock"
	dirMode      = 0o700
)

// Open opens the queue in a directory, which it makes when there is none. One
// process at a time may have it open. Errors name the directory.
func Open(dir string, options Options) (*Broker, error) {
	b := &Broker{dir: dir, options: options.withDefaults()}
	if err := b.open(); err != nil {
		_ = b.release() // the first error says more
		return nil, fmt.Errorf("open the queue in %s: %w", dir, err)
	}
	b.publisher.start(b)
	b.metrics.register(b.options.Registerer, b)
	return b, nil
}

func (b *Broker) open() error {
	if err := os.MkdirAll(b.dir, dirMode); err != nil {
		return err
	}
	if err := b.lock(); err != nil {
		return err
	}
	var err error
	if b.state, err = openState(b.dir); err != nil {
		return err
	}
	if b.embedded, err = startServer(b.dir, b.options.Logger); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	b.journal = newJournal(b.embedded.js, b.dir, b.options.SegmentBytes)
	if err := b.journal.open(ctx, b.state.get(), b.state.known()); err != nil {
		return err
	}
	b.dead = &deadLetters{js: b.embedded.js, logger: b.options.Logger, dir: b.dir}
	b.metrics = newMetrics()
	settled := max(b.state.get().settled, b.journal.first())
	b.journal.settle(settled)
	b.backlog = newBacklog(settled)
	return b.state.setConfirmed(b.journal.end())
}

func (b *Broker) lock() error {
	file, err := os.OpenFile(filepath.Join(b.dir, lockFileName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	ok, err := lock(file)
	if err == nil && !ok {
		err = errors.New("another process has it open")
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	b.lockFile = file
	return nil
}

// DeadLetters gives the latest messages that were set aside, oldest first. They
// are kept for 30 days, and up to 1 GiB of them.
func (b *Broker) DeadLetters(ctx context.Context, limit int) ([]broker.DeadMessage, error) {
	if b.publisher.isClosed() {
		return nil, broker.ErrClosed
	}
	return b.dead.latest(ctx, limit)
}

// Stats counts by what is in memory, but for dead letters and for the age of a
// message that was not delivered yet.
func (b *Broker) Stats(ctx context.Context) (broker.Stats, error) {
	if b.publisher.isClosed() {
		return broker.Stats{}, broker.ErrClosed
	}
	dead, err := b.dead.count(ctx)
	if err != nil {
		return broker.Stats{}, err
	}
	view, oldest, err := b.oldest(ctx)
	if err != nil {
		return broker.Stats{}, err
	}
	stats := broker.Stats{
		Ready:     int64(b.journal.end()-view.end) + int64(view.waiting), //nolint:gosec // a count
		Unsettled: int64(view.unsettled),
		Dead:      dead,
	}
	if !oldest.IsZero() {
		stats.OldestAge = max(b.options.Now().Sub(oldest), 0)
	}
	return stats, nil
}

// oldest gives a view of the backlog and when its oldest message was published,
// or the one that is read next; the zero time when there is none.
func (b *Broker) oldest(ctx context.Context) (backlogView, time.Time, error) {
	for {
		view := b.backlog.view()
		if !view.oldest.IsZero() || b.journal.end() == view.end {
			return view, view.oldest, nil
		}
		at, err := b.publishedAt(ctx, view.end)
		if err != nil && b.backlog.end() != view.end {
			continue // it was delivered meanwhile, and its segment removed
		}
		return view, at, err
	}
}

// publishedAt reads when the message at an offset was published.
func (b *Broker) publishedAt(ctx context.Context, offset uint64) (time.Time, error) {
	at, err := b.journal.locate(ctx, offset)
	if err != nil {
		return time.Time{}, err
	}
	messages, _, err := b.journal.read(ctx, at, 1, 1)
	if err != nil || len(messages) == 0 {
		return time.Time{}, err
	}
	return messages[0].publishedAt, nil
}

// Ping asks the embedded server, and reports a store that can no longer be
// read.
func (b *Broker) Ping(ctx context.Context) error {
	if b.publisher.isClosed() {
		return broker.ErrClosed
	}
	if fault := b.fault.Load(); fault != nil {
		return fmt.Errorf("the queue in %s: %w", b.dir, *fault)
	}
	if _, err := b.embedded.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("the queue in %s does not answer: %w", b.dir, err)
	}
	return nil
}

// Close ends publishing and delivery and waits for the handler, whose context
// ends. Calls that were not confirmed yet answer broker.ErrClosed.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		b.publisher.close()
		b.mu.Lock()
		s := b.subscription
		b.mu.Unlock()
		if s != nil {
			s.abort()
		}
		b.metrics.unregister(b.options.Registerer)
		b.closeErr = b.release()
	})
	return b.closeErr
}

// release gives back what open has taken, as far as it came.
func (b *Broker) release() error {
	if b.embedded != nil {
		b.embedded.stop()
	}
	var errs []error
	if b.state != nil {
		errs = append(errs, b.state.close())
	}
	if b.lockFile != nil {
		errs = append(errs, b.lockFile.Close())
	}
	return errors.Join(errs...)
}
