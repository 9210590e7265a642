package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// leaseTime is how long a lease stands that is not renewed: others take over
// within it and one attempt more.
const leaseTime = 3 * time.Second

// lease says which process does something that is to be done once. It spares
// work; what has to be exclusive is guarded by a row's lock.
type lease struct {
	store *Store
	name  string
	until atomic.Int64 // ns since the store was opened, by this process' clock
	base  time.Time
}

func (s *Store) newLease(name string) *lease {
	return &lease{store: s, name: name, base: time.Now()}
}

// held tells whether this process has the lease.
func (l *lease) held() bool { return int64(time.Since(l.base)) < l.until.Load() }

// fresh tells whether it has the lease for some time to come.
func (l *lease) fresh() bool {
	return int64(time.Since(l.base)+leaseTime/2) < l.until.Load()
}

// renew takes the lease, or keeps it, and tells whether this process has it.
func (l *lease) renew(ctx context.Context) (bool, error) {
	ctx, cancel := l.store.bounded(ctx)
	defer cancel()
	asked := time.Since(l.base) // before the database's own count begins
	var name string
	err := l.store.pool.QueryRow(ctx, sqlAcquireLease, l.name, l.store.holder, micros(leaseTime)).Scan(&name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		l.until.Store(0)
		return false, nil
	case err != nil:
		return l.held(), err
	}
	l.until.Store(int64(asked + leaseTime))
	return true, nil
}

// ensure renews the lease unless it stands for some time.
func (l *lease) ensure(ctx context.Context) (held bool, err error) {
	if l.fresh() {
		return true, nil
	}
	err = l.store.read(ctx, "lease", func(ctx context.Context) error {
		held, err = l.renew(ctx)
		return err
	})
	return held, err
}

// release gives the lease to whoever wants it.
func (l *lease) release(ctx context.Context) {
	if !l.held() {
		return
	}
	l.until.Store(0)
	if _, err := l.store.pool.Exec(ctx, sqlReleaseLease, l.name, l.store.holder); err != nil {
		l.store.log.Warn("a lease was not given up and runs out", "lease", l.name, "error", err)
	}
}
