package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/cache/epoch"
)

var _ epoch.Store = (*Store)(nil)

// PollEpoch implements [epoch.Store].
func (s *Store) PollEpoch(ctx context.Context, process string, reaches bool) (epoch.Epoch, error) {
	say := s.said.due(process, reaches)
	return s.epoch(ctx, process, func(batch *pgx.Batch) {
		if say {
			batch.Queue(sqlEpochSay, process, reaches)
		}
	})
}

// RaiseEpoch implements [epoch.Store].
func (s *Store) RaiseEpoch(ctx context.Context, from int64, primary string) (epoch.Epoch, error) {
	// A second attempt finds the number raised by the first.
	return s.epoch(ctx, "", func(batch *pgx.Batch) { batch.Queue(sqlEpochRaise, from, primary) })
}

// epoch reads the epoch behind what first does, in one round trip.
func (s *Store) epoch(ctx context.Context, process string, first func(*pgx.Batch)) (epoch.Epoch, error) {
	var found epoch.Epoch
	err := s.read(ctx, "epoch", func(ctx context.Context) error {
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		batch := &pgx.Batch{}
		batch.Queue(sqlBegin)
		first(batch)
		batch.Queue(sqlEpoch, process, micros(epoch.SeenWithin)).QueryRow(func(row pgx.Row) error {
			var age int64
			err := row.Scan(&found.Number, &found.Primary, &age, &found.Reaching)
			found.Age = time.Duration(age) * time.Microsecond
			return err
		})
		batch.Queue(sqlCommit)
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			_ = rollback(ctx, conn.Conn()) // the first error tells more
			return err
		}
		return nil
	})
	if err != nil {
		s.said.forget()
		return epoch.Epoch{}, err
	}
	return found, nil
}

// saying is what this process last told the database of its cache, so that
// polls need not write each time.
type saying struct {
	mu      sync.Mutex
	process string
	reaches bool
	at      time.Time
}

// due tells whether something has to be said, and takes it as said.
func (s *saying) due(process string, reaches bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == process && s.reaches == reaches && time.Since(s.at) < epoch.SeenWithin/2 {
		return false
	}
	s.process, s.reaches, s.at = process, reaches, time.Now()
	return true
}

// forget lets the next poll say it again.
func (s *saying) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
}
