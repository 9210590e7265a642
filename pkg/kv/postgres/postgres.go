// Package postgres is the store on a PostgreSQL server, or one that speaks its
// language, which any number of processes use at once.
//
//	store, err := postgres.Open(ctx, postgres.Options{URL: "postgres://…", Logger: log, Registerer: registry})
//
// Open migrates the schema, starts what runs in the background and returns
// within [Options.StartTimeout]; Close ends it. [Store] is a [kv.Store] and a
// [kv.Maintainer], and has Failed and Err as every database of package backends.
//
// DESIGN.md describes the schema, how writes are committed, and how the change
// log gets its positions.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/lifecycle"
)

// Options are the settings of a store. Beside the URL, the zero value is ready
// to use.
type Options struct {
	// URL names the database, as libpq and pgx read it:
	// postgres://user:password@host:port/name?sslmode=verify-full&sslrootcert=…
	// Of several hosts the one that takes writes is used. Files that it names are
	// read again for each new connection.
	URL string

	// URLFile is a file that holds the URL and is read again for each new
	// connection, so that rotated credentials need no restart. It wins over URL.
	URLFile string

	// Password gives the password of each new connection, for tokens that run
	// out. It wins over the URL's; nil means that one.
	Password func(ctx context.Context) (string, error)

	// MaxConns bounds the connections of this process; 0 means a fifth of what
	// the server allows, from 4 to 64.
	MaxConns int

	// ConnectTimeout bounds the making of one connection; 0 means 3 s.
	ConnectTimeout time.Duration

	// StatementTimeout bounds each statement on the server; 0 means 5 s.
	StatementTimeout time.Duration

	// WriteTimeout bounds the time from when a write is asked for until its last
	// attempt may be committed; 0 means 15 s. Behind it, a write whose outcome is
	// open has failed or has been made for good.
	WriteTimeout time.Duration

	// StartTimeout bounds Open; 0 means 4 s.
	StartTimeout time.Duration

	// NoBatching commits each put by itself. It is there to be measured against.
	NoBatching bool

	// Now replaces the database's clock as that of versions, times and expiry.
	// Nil, as everywhere but in tests, means the database's clock.
	Now func() time.Time

	// Logger gets what happens in the background; nil discards it.
	Logger *slog.Logger

	// Registerer gets the store's metrics; nil registers nothing.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value *time.Duration
		unset time.Duration
	}{
		{&o.ConnectTimeout, 3 * time.Second},
		{&o.StatementTimeout, 5 * time.Second},
		{&o.WriteTimeout, 15 * time.Second},
		{&o.StartTimeout, 4 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.unset
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is a [kv.Store] and [kv.Maintainer] on a PostgreSQL server.
type Store struct {
	opts   Options
	pool   *pgxpool.Pool
	log    *slog.Logger
	holder []byte // names this store in leases

	memory   *semaphore.Weighted // bytes of writes that are queued or under way
	puts     *batcher[*put]
	bracket  kv.Bracket // around each batch of puts; nil: none
	groups   *batcher[*request]
	alone    *batcher[*request]
	lookups  *batcher[*lookup]
	settings settingsCache
	said     saying

	sequencer *sequencer
	follower  *follower
	sweeping  *lease
	trimming  *lease
	upkeep    sync.Mutex // one Sweep or Compact at a time

	metrics *metrics
	running lifecycle.Group

	life     context.Context // ends with the store
	end      context.CancelFunc
	once     sync.Once
	closeErr error
}

var (
	_ kv.Store      = (*Store)(nil)
	_ kv.PutGrouper = (*Store)(nil)
	_ kv.Maintainer = (*Store)(nil)
)

// maxQueuedBytes bounds the writes that wait in memory.
const maxQueuedBytes = 256 << 20

// Open opens the store of a database. It refuses, with an error of one line
// that says why, a database that cannot be reached or used, that does not keep
// what it has acknowledged, or whose schema is newer than this program.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	s := &Store{
		opts:   opts,
		log:    opts.Logger,
		memory: semaphore.NewWeighted(maxQueuedBytes),
		holder: []byte(rand.Text()),
	}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	start, cancel := context.WithTimeout(ctx, opts.StartTimeout)
	defer cancel()
	var err error
	if s.pool, err = connect(start, s.life, opts); err != nil {
		s.end()
		return nil, err
	}
	if err := migrate(start, s.pool, migrations); err != nil {
		s.pool.Close()
		s.end()
		return nil, startError("prepare the database's schema", err)
	}
	if s.metrics, err = newMetrics(s, opts.Registerer); err != nil {
		s.pool.Close()
		s.end()
		return nil, err
	}
	s.puts = newBatcher(maxPutBatches, s.takePuts, s.flushPuts)
	s.groups = newBatcher(maxGroups, takeGroup, s.flushGroup)
	s.alone = newBatcher(max(int(s.pool.Config().MaxConns)/4, 2), takeOne, s.flushGroup)
	s.lookups = newBatcher(maxReadGroups, takeLookups, s.lookUp)
	s.sequencer = newSequencer(s)
	s.follower = newFollower(s)
	s.sweeping = s.newLease("sweep")
	s.trimming = s.newLease("compact")
	for _, service := range []struct {
		name string
		lifecycle.Service
	}{{"sequencer", s.sequencer}, {"follower", s.follower}} {
		if err := s.running.Start(ctx, service.name, service); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close ends what runs in the background, waits for the writes under way, gives
// leases up and closes the connections. A second Close does nothing.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.puts.close()
		s.groups.close()
		s.alone.close()
		s.lookups.close()
		ctx, cancel := context.WithTimeout(context.Background(), s.opts.StatementTimeout)
		defer cancel()
		s.closeErr = s.running.Stop(ctx)
		for _, l := range []*lease{s.sequencer.lease, s.sweeping, s.trimming} {
			l.release(ctx)
		}
		s.end()
		s.metrics.unregister()
		s.pool.Close()
	})
	return s.closeErr
}

// Failed is never closed: the store comes back by itself once its database
// does.
func (s *Store) Failed() <-chan struct{} { return nil }

// Err is always nil; see [Store.Failed].
func (s *Store) Err() error { return nil }

var errClosed = &kv.Error{Code: kv.CodeUnavailable, Detail: "the store is closed"}

// clock gives what statements take for the time: 0 for the database's own.
func (s *Store) clock() int64 {
	if s.opts.Now == nil {
		return 0
	}
	return s.opts.Now().UnixMicro()
}

// Ping implements [kv.Store].
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, "ping", func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, sqlPing)
		return err
	})
}

// settle is how long a floor has to stand before what is below it may go: no
// statement or transaction that has not seen it is under way any more.
func (s *Store) settle() time.Duration {
	return s.opts.WriteTimeout + 2*s.opts.StatementTimeout
}

func micros(d time.Duration) int64 { return d.Microseconds() }

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// startError is what Open answers: the step that failed and why.
func startError(step string, err error) error {
	return fmt.Errorf("%s: %w", step, oneLine(err))
}
