package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

const (
	// maxUpkeepRows is how many rows of upkeep one transaction does, so that
	// writers never wait long behind it.
	maxUpkeepRows = 256

	// flushRetention is how long a flush can be asked for; no process makes an
	// attempt that long.
	flushRetention = 10 * time.Minute
)

// Sweep implements [kv.Maintainer]. It does nothing where another process does
// it.
func (s *Store) Sweep(ctx context.Context, limit int) (int, error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	for done := 0; ; {
		if held, err := s.sweeping.ensure(ctx); err != nil || !held {
			return done, err
		}
		lapsed, err := s.lapsed(ctx, min(limit-done, maxUpkeepRows))
		if err != nil || len(lapsed) == 0 {
			return done, err
		}
		r := newRequest(ctx, "", kv.Identity{})
		for _, x := range lapsed {
			r.locks(x.address, false)
		}
		r.run = func(b *builder) error { return b.sweep(lapsed) }
		if err := s.commit(ctx, r); err != nil {
			return done, err
		}
		if done += len(lapsed); done == limit {
			return done, nil
		}
	}
}

// lapsedEntry is an entry that had expired at this version.
type lapsedEntry struct {
	address
	version kv.Version
}

// lapsed finds entries that have expired.
func (s *Store) lapsed(ctx context.Context, limit int) ([]lapsedEntry, error) {
	state, err := s.storeState(ctx)
	if err != nil {
		return nil, err
	}
	var lapsed []lapsedEntry
	err = s.read(ctx, "sweep", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sqlLapsed, state.now, limit)
		if err != nil {
			return err
		}
		lapsed = lapsed[:0]
		var ns, key []byte
		var version kv.Version
		_, err = pgx.ForEachRow(rows, []any{&ns, &key, &version}, func() error {
			lapsed = append(lapsed, lapsedEntry{address{string(ns), string(key)}, version})
			return nil
		})
		return err
	})
	return lapsed, err
}

// storeState is the one row of the store, and the time.
type storeState struct{ now, head, floor, settled, floorAt int64 }

func (s *Store) storeState(ctx context.Context) (st storeState, err error) {
	err = s.read(ctx, "store", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, sqlStore, s.clock()).Scan(&st.now, &st.head, &st.floor, &st.settled, &st.floorAt)
	})
	return st, err
}

// Compact implements [kv.Maintainer]. The live version of a key always stays.
// It does nothing where another process does it.
//
// A key that is forgotten altogether has to have been below a floor that every
// write under way has seen, so that its versions are not given out again: one
// call raises the floor, and those that come when it has settled remove.
func (s *Store) Compact(ctx context.Context, limit int) (int, error) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	if held, err := s.trimming.ensure(ctx); err != nil || !held {
		return 0, err
	}
	if _, err := s.upToDate(ctx); err != nil {
		return 0, err
	}
	st, err := s.storeState(ctx)
	if err != nil {
		return 0, err
	}
	if st.settled < st.floor || st.floorAt > st.now {
		if err := s.settleFloor(ctx, &st); err != nil {
			return 0, err
		}
	}
	done, err := s.compactRecords(ctx, st.now, limit)
	if err != nil || done == limit {
		return done, err
	}
	old, err := s.oldNamespaces(ctx, st.now)
	if err != nil {
		return done, err
	}
	needed := int64(0) // the highest version that waits for the floor
	for _, ns := range old {
		n, above, err := s.compactNamespace(ctx, ns, st, limit-done)
		done += n
		needed = max(needed, above)
		if err != nil || done == limit {
			return done, err
		}
	}
	if needed == 0 || st.settled < st.floor {
		return done, nil
	}
	return done, s.read(ctx, "compact", func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, sqlRaiseFloor, max(needed, st.now), st.now)
		return err
	})
}

func (s *Store) settleFloor(ctx context.Context, st *storeState) error {
	return s.read(ctx, "compact", func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, sqlSettleFloor, st.now-micros(s.settle()), st.now).Scan(&st.floor, &st.settled)
	})
}

// compactRecords removes records past retention and claims of flushes.
func (s *Store) compactRecords(ctx context.Context, now int64, limit int) (int, error) {
	done := 0
	err := s.read(ctx, "compact", func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, sqlDeleteOldWrites, now-micros(kv.RecordRetention), limit-done)
		done += int(tag.RowsAffected())
		return err
	})
	if err != nil || done == limit {
		return done, err
	}
	// Ids are in the order of the clocks of those who made them.
	below := newFlushID(time.Now().Add(-flushRetention))
	err = s.read(ctx, "compact", func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, sqlDeleteOldFlushes, below, now-micros(flushRetention), limit-done)
		done += int(tag.RowsAffected())
		return err
	})
	return done, err
}

// oldNamespace is a namespace with changes past its retention.
type oldNamespace struct {
	name      string
	retention int64 // µs
	trimmed   kv.Position
}

func (s *Store) oldNamespaces(ctx context.Context, now int64) ([]oldNamespace, error) {
	var old []oldNamespace
	err := s.read(ctx, "compact", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, sqlOldNamespaces, now, maxUpkeepRows)
		if err != nil {
			return err
		}
		old = old[:0]
		var name []byte
		var x oldNamespace
		_, err = pgx.ForEachRow(rows, []any{&name, &x.retention, &x.trimmed}, func() error {
			x.name = string(name)
			old = append(old, x)
			return nil
		})
		return err
	})
	return old, err
}

// compactNamespace removes changes past retention, the versions that they
// superseded, and the tombstones that they made and that still stand. It gives
// how many changes it removed, and the version above the floor at which it
// stopped.
func (s *Store) compactNamespace(ctx context.Context, ns oldNamespace, st storeState, limit int) (done int, above int64, err error) {
	for done < limit {
		var rows []logRow
		var whole bool
		err := s.read(ctx, "compact", func(ctx context.Context) (err error) {
			rows, whole, err = s.readLog(ctx, ns.name, ns.trimmed, 1+(limit-done)/maxPuts)
			return err
		})
		if err != nil {
			return done, 0, err
		}
		var old []logRow
		for _, row := range rows {
			if len(old) == min(limit-done, maxUpkeepRows) || row.at > st.now-ns.retention {
				break
			}
			if row.kind != kindPut && int64(row.version) > st.settled {
				above = int64(row.version)
				break
			}
			old = append(old, row)
		}
		if len(old) == 0 {
			return done, above, nil
		}
		if err := s.trim(ctx, ns.name, old); err != nil {
			return done, 0, err
		}
		done += len(old)
		ns.trimmed = old[len(old)-1].position
		if above > 0 || whole && len(old) == len(rows) {
			return done, above, nil
		}
	}
	return done, 0, nil
}

// trim removes changes from the head of a namespace's log in one transaction.
func (s *Store) trim(ctx context.Context, ns string, old []logRow) error {
	var superseded, deleted stateKeys
	for _, row := range old {
		if row.previous != 0 {
			superseded.add(row.key, row.previous)
		}
		if row.kind != kindPut {
			deleted.add(row.key, row.version)
		}
	}
	last := old[len(old)-1].position
	return s.read(ctx, "compact", func(ctx context.Context) error { // it may be repeated as a read may
		conn, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		batch := &pgx.Batch{}
		batch.Queue(sqlBegin)
		if len(deleted.keys) > 0 {
			batch.Queue(sqlDeleteTombstones, repeated(ns, len(deleted.keys)), deleted.keys, deleted.versions)
		}
		if len(superseded.keys) > 0 {
			batch.Queue(sqlDeleteVersions, repeated(ns, len(superseded.keys)), superseded.keys, superseded.versions)
		}
		batch.Queue(sqlTrimChanges, []byte(ns), int64(last))
		batch.Queue(sqlCommit)
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			_ = rollback(ctx, conn.Conn()) // the first error tells more
			return err
		}
		return nil
	})
}

// stateKeys are keys with versions as the arrays that statements take.
type stateKeys struct {
	keys     [][]byte
	versions []int64
}

func (k *stateKeys) add(key string, version kv.Version) {
	k.keys = append(k.keys, []byte(key))
	k.versions = append(k.versions, int64(version))
}
