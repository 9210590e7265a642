package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Bounds of groups of requests.
const (
	maxGroups        = 4 // under way at once
	maxGroupRequests = 128
	maxGroupBytes    = 4 << 20
)

// request is what a caller wants to be run in one transaction, alone or in a
// group with others. It says beforehand what it needs, so that all of it is
// locked in one order and read in one round trip.
type request struct {
	ctx   context.Context //nolint:containedctx // of the caller, who may give up while it is queued
	asked time.Time
	ns    string
	cost  int64 // bytes
	alone bool  // it may have to wait for another with the same name

	wanted map[address]bool // keys to lock, and whether their values are needed
	names  []claim

	run      func(*builder) error
	claiming atomic.Bool // it may be waiting for another with one of its names
	err      error
	done     chan struct{} // closed when err stands
}

// claim is a name that a request is made under.
type claim struct {
	id   kv.WriteID
	ns   string
	hash [32]byte
}

// locks asks for a key.
func (r *request) locks(at address, value bool) { r.wanted[at] = r.wanted[at] || value }

// needs asks for what an operation needs.
func (r *request) needs(ns string, op *kv.Operation) {
	at := address{ns, op.Key}
	r.locks(at, op.Kind == kv.KindGet || op.Kind == kv.KindIncrement)
	r.cost += operationCost(op)
}

// claims asks for a name. A name that is not deferred is one that a client
// chose: it may be in use elsewhere, and would hold a group up.
func (r *request) claims(ns string, id kv.Identity) {
	if id.ID.IsZero() {
		return
	}
	r.names = append(r.names, claim{id.ID, ns, id.Hash})
	r.alone = r.alone || !id.Deferred
}

// takeGroup takes the first requests of the queue.
func takeGroup(queue []*request) (batch, rest []*request) {
	size := int64(0)
	n := 0
	for n < len(queue) && n < maxGroupRequests && (n == 0 || size+queue[n].cost <= maxGroupBytes) {
		size += queue[n].cost
		n++
	}
	return queue[:n:n], queue[n:]
}

// takeOne takes a request by itself.
func takeOne(queue []*request) (batch, rest []*request) { return queue[:1:1], queue[1:] }

// flushGroup runs requests in one transaction and answers each of them.
func (s *Store) flushGroup(group []*request) {
	group = slices.DeleteFunc(slices.Clone(group), func(r *request) bool {
		gone := r.ctx.Err()
		if gone != nil {
			r.err = gone
			close(r.done)
		}
		return gone != nil
	})
	if len(group) > 0 {
		s.commitGroup(group)
	}
}

// commitGroup commits a group. When the database refuses a value, it commits
// the halves by themselves until the bad request is alone.
func (s *Store) commitGroup(group []*request) {
	began := time.Now()
	w := newWork(newFlushID(began), group)
	asked := group[0].asked
	for _, r := range group {
		if r.asked.Before(asked) {
			asked = r.asked
		}
	}
	err := s.persist(asked, func(ctx context.Context) error { return s.runGroup(ctx, w) })
	if err != nil && classify(err) == failureData && len(group) > 1 {
		half := len(group) / 2
		s.commitGroup(group[:half])
		s.commitGroup(group[half:])
		return
	}
	if err != nil {
		s.metrics.failed("group", err)
	} else {
		s.metrics.flushed(len(group), time.Since(began))
		s.sequencer.kick()
	}
	for _, r := range group {
		if err != nil {
			r.err = databaseError(err)
		}
		close(r.done)
	}
}

// work is what a group needs, sorted so that all groups and batches lock in
// one order: names first, then keys.
type work struct {
	id    []byte // of the flush
	group []*request

	names      []claim
	keys       []address
	values     []bool // of keys: whether the value is needed
	namespaces []string
}

func newWork(id []byte, group []*request) *work {
	w := &work{id: id, group: group}
	wanted := map[address]bool{}
	namespaces := map[string]bool{}
	for _, r := range group {
		w.names = append(w.names, r.names...)
		for at, value := range r.wanted {
			wanted[at] = wanted[at] || value
			namespaces[at.ns] = true
		}
	}
	slices.SortFunc(w.names, func(a, b claim) int { return bytes.Compare(a.id[:], b.id[:]) })
	w.names = slices.CompactFunc(w.names, func(a, b claim) bool { return a.id == b.id })
	for at := range wanted {
		w.keys = append(w.keys, at)
	}
	slices.SortFunc(w.keys, func(a, b address) int {
		return cmp.Or(strings.Compare(a.ns, b.ns), strings.Compare(a.key, b.key))
	})
	for _, at := range w.keys {
		w.values = append(w.values, wanted[at])
	}
	for ns := range namespaces {
		w.namespaces = append(w.namespaces, ns)
	}
	slices.Sort(w.namespaces)
	return w
}

// claiming notes whether the group may be waiting for its names.
func (w *work) claiming(is bool) {
	for _, r := range w.group {
		r.claiming.Store(is)
	}
}

// columns gives addresses as the arrays that statements take.
func columns(rows []address) (namespaces, keys [][]byte) {
	namespaces, keys = make([][]byte, len(rows)), make([][]byte, len(rows))
	for i, at := range rows {
		namespaces[i], keys[i] = []byte(at.ns), []byte(at.key)
	}
	return namespaces, keys
}

// runGroup makes one attempt: a round trip that locks and reads, then the
// requests, then a round trip that writes and commits. When an attempt before
// has been committed after all, its results stand.
func (s *Store) runGroup(ctx context.Context, w *work) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	b, err := s.load(ctx, conn.Conn(), w)
	if err == nil && b != nil {
		err = s.conclude(ctx, conn.Conn(), w, b)
	} else if err == nil {
		_, err = conn.Exec(ctx, sqlRollback)
		return err
	}
	if err != nil && !conn.Conn().IsClosed() {
		if _, rollbackErr := conn.Exec(context.WithoutCancel(ctx), sqlRollback); rollbackErr != nil {
			_ = conn.Conn().Close(ctx) // the pool makes another
		}
	}
	return err
}

// load begins a transaction, takes its locks and reads what the group needs. It
// gives nil when the flush has been committed before.
func (s *Store) load(ctx context.Context, conn *pgx.Conn, w *work) (*builder, error) {
	b := newBuilder(w)
	claimed := false
	b.fetch = func(at address, v kv.Version) (*state, error) { return fetchVersion(ctx, conn, at, v) }
	namespaces, keys := columns(w.keys)

	batch := &pgx.Batch{}
	batch.Queue(sqlBegin)
	batch.Queue(sqlBeginFlush, w.id, s.clock()).Query(func(rows pgx.Rows) error {
		claimed = rows.Next()
		rows.Close()
		return rows.Err()
	})
	if len(w.names) > 0 {
		ids, owners, hashes := make([][]byte, len(w.names)), make([][]byte, len(w.names)), make([][]byte, len(w.names))
		for i := range w.names {
			ids[i], owners[i], hashes[i] = w.names[i].id[:], []byte(w.names[i].ns), w.names[i].hash[:]
		}
		batch.Queue(sqlClaimWrites, ids, owners, hashes, s.clock()).Query(func(rows pgx.Rows) error {
			err := b.scanClaims(rows)
			if err == nil {
				w.claiming(false)
			}
			return err
		})
		w.claiming(true)
		defer w.claiming(false)
		batch.Queue(sqlRecords, ids, s.clock()).Query(b.scanRecords)
	}
	if len(w.keys) > 0 {
		batch.Queue(sqlLockEntries, namespaces, keys)
		batch.Queue(sqlLoadEntries, namespaces, keys, w.values).Query(b.scanEntries)
		batch.Queue(sqlNamespacesUsage, byteStrings(w.namespaces), micros(kv.DefaultRetention)).Query(b.scanNamespaces)
	}
	batch.Queue(sqlStore, s.clock()).QueryRow(func(row pgx.Row) error {
		var settled, floorAt int64
		return row.Scan(&b.now, &b.head, &b.floor, &settled, &floorAt)
	})
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		if first := w.group[0]; first.alone && first.claiming.Load() && classify(err) == failureTimeout {
			return nil, errInProgress
		}
		return nil, err
	}
	if !claimed {
		return nil, nil //nolint:nilnil // nil is the answer
	}
	return b, nil
}

// fetchVersion reads a version that was not loaded with the rest, nil when it
// is not kept.
func fetchVersion(ctx context.Context, conn *pgx.Conn, at address, v kv.Version) (*state, error) {
	rows, err := conn.Query(ctx, sqlLoadVersion, []byte(at.ns), []byte(at.key), int64(v))
	if err != nil {
		return nil, err
	}
	var found *state
	err = eachState(rows, func(_ address, s *state) { found = s })
	return found, err
}

// conclude runs the requests, writes what they changed, and commits.
func (s *Store) conclude(ctx context.Context, conn *pgx.Conn, w *work, b *builder) error {
	for _, r := range w.group {
		r.err = b.runRequest(r.run)
	}
	if b.failed != nil {
		return b.failed
	}
	batch := &pgx.Batch{}
	if !b.queue(batch, w) {
		_, err := conn.Exec(ctx, sqlRollback)
		return err
	}
	batch.Queue(sqlCommit)
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	// The answer to COMMIT of a transaction that had failed is no error.
	if conn.PgConn().TxStatus() != 'I' {
		return errors.New("the transaction is still open after its commit")
	}
	return nil
}
