// Package pebble is the embedded store: it keeps entries on the local disk in
// an LSM tree, and acknowledges a write once it is synced.
//
// One process at a time may open a directory. DESIGN.md describes the layout,
// how writes are committed and how the store recovers.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Options are the settings of a store. The zero value is ready to use.
type Options struct {
	// Now is the clock of versions, times and expiry; nil means time.Now.
	Now func() time.Time

	// FS is the file system; nil means the disk.
	FS vfs.FS

	// Logger gets what happens in the background; nil discards it.
	Logger *slog.Logger

	// Registerer gets the store's metrics; nil registers nothing.
	Registerer prometheus.Registerer

	// CacheBytes bounds the cache of blocks, which grows as it is used; 0 means
	// 64 MiB.
	CacheBytes int64

	// MemTableBytes is the size of one of the tables in memory that take up
	// writes; up to four of them may exist. 0 means 32 MiB.
	MemTableBytes uint64

	// ReserveBytes is the free space on disk below which writes are refused,
	// so that what has been accepted can always be written out; 0 means 64 MiB.
	ReserveBytes uint64
}

// Store is a [kv.Store] and [kv.Maintainer] on the local disk.
type Store struct {
	dir    string
	lock   *pebble.Lock // of the directory
	db     *pebble.DB
	now    func() int64 // µs
	log    *slog.Logger
	memory *semaphore.Weighted // bytes of requests that are queued or under way

	// applied is the last batch that reads can see; sequence and position are
	// those of the last batch that is durable.
	applied  atomic.Int64
	sequence watermark
	position watermark

	queue     queue
	committed committedFile
	disk      *disk
	space     space
	waiters   waiters
	metrics   *metrics
	upkeep    sync.Mutex // one Sweep or Compact at a time

	failure atomic.Pointer[kv.Error] // set when nothing can be written any more
	failed  chan struct{}            // closed with it

	closing  chan struct{} // closed when Close begins
	stopped  chan struct{} // closed when committer and syncer have ended
	closeErr error
	once     sync.Once
	mu       sync.RWMutex // held for reading while the database is in use
	closed   bool
}

var (
	_ kv.Store      = (*Store)(nil)
	_ kv.Maintainer = (*Store)(nil)
)

// Defaults of [Options].
const (
	defaultCacheBytes    = 64 << 20
	defaultMemTableBytes = 32 << 20
	defaultReserveBytes  = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = defaultMemTableBytes
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = defaultReserveBytes
	}
	return o
}

// Open opens the store in a directory, which it creates when there is none.
// Everything that was acknowledged is there, or the error, of code
// unavailable, names the file that is damaged. A directory that another
// process has open, that a newer version wrote, or that cannot be written is
// refused with an error that says so.
func Open(dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	s := &Store{
		dir:     dir,
		now:     func() int64 { return opts.Now().UnixMicro() },
		log:     opts.Logger,
		memory:  semaphore.NewWeighted(maxQueuedBytes),
		failed:  make(chan struct{}),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	s.queue.init()
	s.disk = newDisk(opts.FS, s.fail)
	s.space = space{fs: opts.FS, dir: dir, reserve: opts.ReserveBytes}
	h, err := s.openDatabase(opts)
	if err != nil {
		return nil, err
	}
	s.metrics, err = newMetrics(s, opts.Registerer)
	if err != nil {
		return nil, errors.Join(err, s.committed.close(), s.db.Close(), s.lock.Close())
	}
	s.applied.Store(h.sequence)
	s.sequence.raise(h.sequence)
	s.position.raise(int64(h.position))
	s.space.measure()
	s.disk.arm()
	s.start(newBuilder(s.db, h, opts.Now))
	return s, nil
}

// Close waits for the writes under way, writes out what is in memory and lets
// the directory go. A second Close does nothing. A store that has failed stays
// open until the process ends, so that nobody else writes to its directory.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.queue.close()
		close(s.closing)
		s.disk.impatient()
		select {
		case <-s.stopped:
		case <-s.failed:
		}
		s.metrics.unregister()
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.closeErr = s.closeDatabase()
	})
	return s.closeErr
}

// Failed is closed when the disk has failed in a way that only a new start can
// mend: reads go on, every write is refused. Err then says why.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err gives the failure that [Store.Failed] tells of, nil before it.
func (s *Store) Err() error {
	if e := s.failure.Load(); e != nil {
		return e
	}
	return nil
}

// fail stops all writes.
func (s *Store) fail(cause error) {
	e := &kv.Error{
		Code:   kv.CodeUnavailable,
		Detail: fmt.Sprintf("the store in %s cannot write and has to be restarted", s.dir),
		Cause:  cause,
	}
	if !s.failure.CompareAndSwap(nil, e) {
		return
	}
	s.log.Error("the store cannot write any more", "dir", s.dir, "error", cause)
	close(s.failed)
	s.sequence.fail(e)
	s.position.fail(e)
}

var errClosed = &kv.Error{Code: kv.CodeUnavailable, Detail: "the store is closed"}

// enter keeps the database open until leave is called.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, errClosed
	}
	return s.mu.RUnlock, nil
}

// settle waits until everything that a read has seen is durable.
func (s *Store) settle(ctx context.Context) error {
	return s.awaitDurable(ctx, &s.sequence, s.applied.Load())
}

// settleAt waits until a change that a read has seen is durable.
func (s *Store) settleAt(ctx context.Context, p kv.Position) error {
	return s.awaitDurable(ctx, &s.position, int64(p))
}

func (s *Store) awaitDurable(ctx context.Context, w *watermark, n int64) error {
	if w.load() >= n {
		return nil
	}
	err := w.wait(ctx, n, s.disk.stuck())
	if errors.Is(err, errStopped) {
		return diskFull("the last write to what was read waits for space in %s", s.dir)
	}
	return err
}

// Head implements [kv.Store].
func (s *Store) Head(ctx context.Context) (kv.Position, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return kv.Position(s.position.load()), nil
}

// Ping implements [kv.Store]. A store that can only read does not answer.
func (s *Store) Ping(ctx context.Context) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.Err(); err != nil {
		return err
	}
	return s.space.check(false)
}
